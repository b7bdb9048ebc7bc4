"""Every fact that can be recorded about an execution, with its topic.

Stored for ever: a changed shape is a new topic version and an upcaster, never an edit. Facts that
change the status say so themselves (`status`, `previous`), so that nobody who reads the log needs
the table by which they were once decided.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal, NamedTuple

from ledger.approval_events import (
    ApprovalExpired,
    ApprovalRequested,
    ApprovalSuperseded,
    Approved,
    Asked,
    Decided,
    Denied,
    Rejected,
)
from ledger.approval_policy import ApprovalPolicy
from ledger.event import Event, FirstEvent
from ledger.run_budget import RunBudget
from ledger.status import Status
from ledger.terms import Terms
from ledger.transition import Ended, Transition
from ledger.usage import PriceUsed

__all__ = [
    "FRAME_TOPICS",
    "Annotated",
    "ApprovalExpired",
    "ApprovalRequested",
    "ApprovalSuperseded",
    "Approved",
    "Asked",
    "CancellationRequested",
    "Cancelled",
    "Cause",
    "Completed",
    "ContentStreamed",
    "Created",
    "Decided",
    "Denied",
    "EncodedFrame",
    "Ended",
    "Failed",
    "Frame",
    "Json",
    "Mode",
    "Rejected",
    "ScoreRemoved",
    "Scored",
    "Started",
    "Thought",
    "ToolEnded",
    "ToolStarted",
    "Transition",
    "UsageRecorded",
    "UsageRepriced",
    "WorkerLost",
]

Json = dict[str, Any]
Mode = Literal["execute", "record"]
Cause = Literal["error", "timeout", "worker_lost", "budget_exceeded"]


class Created(FirstEvent):
    """Somebody asked for a run, or announced one that they will record themselves.

    `budget` is its own, with all that runs below it; `budget_owners` are the executions whose
    budgets it spends from: itself if it has one, and those above.
    """

    TOPIC: ClassVar[str] = "execution.created.v1"

    status: Status
    mode: Mode
    agent_id: str
    agent_name: str
    agent_version_id: str
    user_id: str
    session_id: str
    trace_id: str
    root_execution_id: str
    parent_execution_id: str | None = None
    depth: int | None = None
    input: Json
    metadata: Json
    approval_checkpoint: str | None = None
    approval_policy: ApprovalPolicy | None = None
    terms: Terms | None = None
    budget: RunBudget | None = None
    budget_owners: list[str] | None = None
    occurred_at: datetime | None = None


class Started(Transition):
    """A worker took the execution up, for the first time or again.

    `lease` is the digest of the token that its writes must carry, where it holds a lease;
    `deadline_at` is when the work must be done.
    """

    TOPIC: ClassVar[str] = "execution.started.v1"

    worker: str
    attempt: int
    lease: str | None = None
    deadline_at: datetime | None = None


class Frame(Event):
    """Something the agent streamed; it never changes the status."""

    occurred_at: datetime | None = None


class Thought(Frame):
    """Reasoning text between the steps."""

    TOPIC: ClassVar[str] = "execution.thought.v1"

    content: str


class ToolStarted(Frame):
    """The agent called a tool."""

    TOPIC: ClassVar[str] = "execution.tool_started.v1"

    id: str
    name: str
    input: Any = None


class ToolEnded(Frame):
    """A tool answered; `summary` is short text for display."""

    TOPIC: ClassVar[str] = "execution.tool_ended.v1"

    id: str
    name: str
    summary: str | None = None
    output: Any = None
    error: str | None = None


class ContentStreamed(Frame):
    """A piece of the answer."""

    TOPIC: ClassVar[str] = "execution.content_streamed.v1"

    content: str


class UsageRecorded(Event):
    """The agent spent tokens: as the provider reported them, normalised, and what they cost.

    `cost_usd` is None when no price is known; then the tokens count as unpriced, never as free.
    `units` are counts beside the tokens and finer than they, `context` what a price depends on
    beside counts, both as genai-prices names them; `raw` is the provider's usage object as given.
    """

    TOPIC: ClassVar[str] = "execution.usage_recorded.v1"

    model: str
    provider: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int | None = None
    cache_creation_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: Decimal | None = None
    reported_cost_usd: Decimal | None = None
    computed_cost_usd: Decimal | None = None
    price: PriceUsed | None = None
    units: dict[str, int] | None = None
    context: dict[str, str] | None = None
    raw: Json | None = None
    duration_ms: int | None = None
    occurred_at: datetime | None = None


class UsageRepriced(Event):
    """A model call was priced anew, on purpose; the newest price counts.

    It names the usage event by its `sequence`, and has of it what totals need: when it was spent,
    its tokens, and what it cost before, which is missing where nobody knew.
    """

    TOPIC: ClassVar[str] = "execution.usage_repriced.v1"

    sequence: int
    model: str
    total_tokens: int
    spent_at: datetime
    cost_usd: Decimal
    previous_cost_usd: Decimal | None = None
    price: PriceUsed
    reason: str


class CancellationRequested(Event):
    """Somebody wants a running execution stopped; its worker has yet to confirm."""

    TOPIC: ClassVar[str] = "execution.cancellation_requested.v1"

    reason: str | None = None


class Cancelled(Ended):
    """The execution was stopped by request."""

    TOPIC: ClassVar[str] = "execution.cancelled.v1"

    reason: str | None = None


class WorkerLost(Transition):
    """The worker is gone; the execution waits to be taken up again.

    `excused` says that it counts against nobody: the worker gave the execution back in good order,
    or was lost while a human was thinking.
    """

    TOPIC: ClassVar[str] = "execution.worker_lost.v1"

    worker: str
    attempt: int
    last_heard: datetime | None = None
    excused: bool | None = None


class Completed(Ended):
    """The agent finished with an output."""

    TOPIC: ClassVar[str] = "execution.completed.v1"

    output: Json


class Failed(Ended):
    """The agent, or what carries it, failed. `trace` is kept for the audit only."""

    TOPIC: ClassVar[str] = "execution.failed.v1"

    error: str
    error_code: Cause
    error_type: str | None = None
    trace: str | None = None


class Annotated(Event):
    """Metadata was added or changed after the fact."""

    TOPIC: ClassVar[str] = "execution.annotated.v1"

    metadata: Json


class Scored(Event):
    """Somebody judged the execution; a score with the same id replaces the earlier one."""

    TOPIC: ClassVar[str] = "execution.scored.v1"

    score_id: str
    name: str
    value: float | None = None
    string_value: str | None = None
    data_type: Literal["numeric", "categorical", "boolean"] = "numeric"
    source: str = "api"
    comment: str | None = None
    span_id: str | None = None
    config_id: str | None = None


class ScoreRemoved(Event):
    """A score was withdrawn; what it said stays in the history."""

    TOPIC: ClassVar[str] = "execution.score_removed.v1"

    score_id: str


FRAME_TOPICS = tuple(frame.TOPIC for frame in (Thought, ToolStarted, ToolEnded, ContentStreamed))
"""Facts of which a decision needs nothing but their number."""


class EncodedFrame(NamedTuple):
    """A frame whose payload is valid and encoded: what the hot path hands over."""

    event: type[Frame]
    payload: bytes
