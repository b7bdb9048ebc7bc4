"""What a stream of an execution says, as one class for each name of a frame."""

import json
from collections.abc import Mapping
from typing import Any, Final

from ledger_client.record import Record
from ledger_client.sse import Message

Json = dict[str, Any]


class ExecutionEvent(Record):
    """One frame. What it says beside this is there as attributes and as keys.

    Attributes:
        type: the frame's name.
        sequence: its place in the execution; a stream resumes after it.
        at: when it was recorded, as text.
    """

    type: str
    sequence: int
    at: str

    def __init__(self, name: str, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self.type = name

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.type, dict(self._fields))

    @property
    def is_last(self) -> bool:
        """Whether the execution ended with it."""
        return False


class StartedEvent(ExecutionEvent):
    """`execution`: the first frame."""

    execution_id: str
    status: str


class ThinkingEvent(ExecutionEvent):
    """`thinking`: reasoning text."""

    content: str


class ToolStartEvent(ExecutionEvent):
    """`tool_start`: the agent calls a tool; `id` pairs it with its end."""

    id: str
    name: str

    @property
    def input(self) -> Any:
        """What the tool was given; None when that was not recorded."""
        return self._fields.get("input")


class ToolEndEvent(ExecutionEvent):
    """`tool_end`: a tool answered."""

    id: str
    name: str

    @property
    def summary(self) -> str:
        """Short text for display."""
        return str(self._fields.get("summary") or "")

    @property
    def output(self) -> Any:
        """What the tool gave; None when that was not recorded."""
        return self._fields.get("output")

    @property
    def error(self) -> str | None:
        """Why it gave nothing."""
        return self._fields.get("error")


class ContentEvent(ExecutionEvent):
    """`content`: a piece of the answer."""

    content: str


class UsageEvent(ExecutionEvent):
    """`usage`: tokens were spent. An unknown cost is None."""

    model: str
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @property
    def cost_usd(self) -> str | None:
        """US dollars, exact."""
        return self._fields.get("cost_usd")


class StatusEvent(ExecutionEvent):
    """`status`: the execution came into another status."""

    status: str
    previous: str
    actor: Json


class ApprovalEvent(ExecutionEvent):
    """`approval`: the execution waits for a human."""

    id: str
    checkpoint_name: str
    payload: Json
    payload_digest: str
    expires_at: str | None


class TokenUsage(Record):
    """Tokens: prompt includes cached ones, completion includes reasoning."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class _Ending(ExecutionEvent):
    """What both last frames have."""

    status: str
    cost: float | None
    cost_usd: str | None
    unpriced_tokens: int
    duration_ms: int | None

    @property
    def token_usage(self) -> TokenUsage:
        """Every token of the execution."""
        return TokenUsage(self._fields.get("token_usage") or {})

    @property
    def is_last(self) -> bool:
        """Whether the execution ended with it."""
        return True


class DoneEvent(_Ending):
    """`done`: the execution completed."""

    output: Json


class ErrorEvent(_Ending):
    """`error`: the execution failed, was cancelled, or was rejected."""

    message: str
    error_code: str


class Event(ExecutionEvent):
    """A frame whose name this version of the package does not know."""


_KINDS: Final[Mapping[str, type[ExecutionEvent]]] = {
    "execution": StartedEvent,
    "thinking": ThinkingEvent,
    "tool_start": ToolStartEvent,
    "tool_end": ToolEndEvent,
    "content": ContentEvent,
    "usage": UsageEvent,
    "status": StatusEvent,
    "approval": ApprovalEvent,
    "done": DoneEvent,
    "error": ErrorEvent,
}


def event_of(message: Message) -> ExecutionEvent | None:
    """The event in a message; None when the message is no frame of a ledger."""
    try:
        data = json.loads(message.data)
    except ValueError:
        return None
    if not isinstance(data, dict) or not isinstance(data.get("sequence"), int):
        return None
    return _KINDS.get(message.event, Event)(message.event, data)
