"""Frames as callers send them: checked as a batch, turned into what is recorded."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ledger import events as e
from ledger.events import EncodedFrame
from ledger.fields import Count, Money, Name, Time, Word
from ledger.strict_json import encode


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
    """Tokens that the agent spent: normalised counts, and in `raw` the provider's own words.

    `cost_usd` is the provider's own statement of the cost; without it the price table decides.
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
    raw: dict[str, Any] | None = None
    duration_ms: Count | None = None
    at: Time | None = None


class UsageFrame(UsageReport):
    """Usage sent among the frames, in its place."""

    type: Literal["usage"]


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
