"""Frames as callers send them: checked as a batch, turned into what is recorded."""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ledger import events as e
from ledger.errors import InvalidUsage
from ledger.events import EncodedFrame
from ledger.fields import Count, Money, Name, Time, Word
from ledger.pricing import checked_usage
from ledger.raw_usage import Reading, context_of, read
from ledger.strict_json import encode
from ledger.usage import Usage


class SentFrame(BaseModel):
    """What all frames may carry: the time at which it happened, if not now."""

    model_config = ConfigDict(extra="forbid")
    EVENT: ClassVar[type[e.Frame]]

    at: Time | None = None

    def encoded(self) -> EncodedFrame:
        """The frame as it is recorded and shown."""
        facts = {
            "occurred_at" if name == "at" else name: fact
            for name, fact in self.__dict__.items()
            if name != "type" and fact is not None
        }
        return EncodedFrame(self.EVENT, encode(facts))


class ThinkingFrame(SentFrame):
    """Reasoning text between the steps."""

    EVENT = e.Thought
    type: Literal["thinking"]
    content: str


class ToolStartFrame(SentFrame):
    """The agent calls a tool; `id` pairs it with its end."""

    EVENT = e.ToolStarted
    type: Literal["tool_start"]
    id: Name
    name: Word
    input: Any = None


class ToolEndFrame(SentFrame):
    """A tool answered; `summary` is short text for display."""

    EVENT = e.ToolEnded
    type: Literal["tool_end"]
    id: Name
    name: Word
    summary: str | None = None
    output: Any = None
    error: str | None = None


class ContentFrame(SentFrame):
    """A piece of the answer."""

    EVENT = e.ContentStreamed
    type: Literal["content"]
    content: str


class UsageReport(BaseModel):
    """Tokens that the agent spent: as normalised counts, or as the provider said it in `raw`.

    `raw` is kept as it is given, and read: what is not given as a count is taken from it. A count
    that is given and says something else is refused. `cost_usd` is the provider's own statement of
    the cost; without it, and without one in `raw`, prices decide.
    """

    model_config = ConfigDict(extra="forbid")

    model: Name
    provider: Word | None = None
    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    total_tokens: Count = 0
    cached_tokens: Count | None = None
    cache_creation_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    cost_usd: Money | None = None
    service_tier: Word | None = Field(
        None, description="On which the call was served, where the price depends on it: `batch`."
    )
    raw: dict[str, Any] | None = Field(
        None, description="The provider's usage object, or the whole response that holds it."
    )
    duration_ms: Count | None = None
    at: Time | None = None

    @cached_property
    def reading(self) -> Reading:
        """What was spent, by the counts and by what the provider said; read once.

        Raises:
            InvalidUsage: counts that contradict each other, or none at all; says which and how.
        """
        return _reading(self)


class UsageFrame(UsageReport):
    """Usage sent among the frames, in its place."""

    type: Literal["usage"]


_COUNTS = set(Usage.model_fields)


def _reading(report: UsageReport) -> Reading:
    """The counts that are given, and from `raw` what they do not say."""
    given = report.model_dump(include=_COUNTS, exclude_none=True, exclude_defaults=True)
    read_ = _read_raw(report, is_alone=not given)
    if read_ is None:
        if report.raw and not given and report.cost_usd is None:
            message = "prompt_tokens, completion_tokens: missing, and `raw` is of no known kind"
            raise InvalidUsage(message)
        context = context_of(report.service_tier)
        return Reading(checked_usage(Usage(**given)), {}, report.cost_usd, context)
    counts = read_.usage.model_dump(exclude={"total_tokens"}, exclude_defaults=True)
    if wrong := [name for name in given if counts.get(name, given[name]) != given[name]]:
        said = ", ".join(f"{name} is {given[name]}, in raw {counts[name]}" for name in wrong)
        message = f"the counts are not those of raw: {said}; leave them out to have raw read"
        raise InvalidUsage(message, **given)
    usage = checked_usage(Usage(**counts | given))
    context = read_.context | context_of(report.service_tier)
    cost = read_.cost_usd if report.cost_usd is None else report.cost_usd
    return read_._replace(usage=usage, context=context, cost_usd=cost)


def _read_raw(report: UsageReport, *, is_alone: bool) -> Reading | None:
    """What `raw` says. Beside counts, an object that contradicts itself is kept and not read."""
    if not report.raw:
        return None
    try:
        read_ = read(report.raw, report.provider, report.model)
        if read_ is not None:
            checked_usage(read_.usage)
    except InvalidUsage:
        if is_alone:
            raise
        return None
    return read_


AnyFrame = Annotated[
    ThinkingFrame | ToolStartFrame | ToolEndFrame | ContentFrame | UsageFrame,
    Field(discriminator="type"),
]
FRAMES: TypeAdapter[list[AnyFrame]] = TypeAdapter(list[AnyFrame])
"""Validates a batch at once."""

Step = EncodedFrame | UsageReport
"""What a batch consists of once it was checked."""


def steps_of(frames: Sequence[AnyFrame]) -> list[Step]:
    """Frames as they are recorded, usage reports as they came, in order."""
    return [frame if isinstance(frame, UsageReport) else frame.encoded() for frame in frames]
