"""Executions on the wire."""

from typing import Any

from pydantic import BaseModel, Field, RootModel

from ledger.approval_policy import ApprovalPolicy, DecidingRole, OnReject
from ledger.events import Cause, Mode
from ledger.fields import Name, Number, Time, Word
from ledger.frames import AnyFrame, UsageReport
from ledger.status import Status
from server.route import Body, LenientBody, Query
from server.schemas.budgets import BudgetState
from server.schemas.scores import Judgement

Json = dict[str, Any]


class ExecuteBody(LenientBody):
    """Ask for a run. Asynchronous when `sync` is false or `async_mode` is true."""

    input: Json = Field(description="What the agent gets; must satisfy the version's input schema.")
    session_id: Word | None = None
    version_id: Word | None = None
    metadata: Json | None = None
    user_id: Word | None = None
    parent_execution_id: Word | None = None
    sync: bool | None = None
    async_mode: bool | None = None

    @property
    def waits(self) -> bool:
        """Whether the answer waits for the run to end or to pause."""
        return self.sync is not False and self.async_mode is not True


class CreateBody(Body):
    """Announce a run that the caller records. The agent by id or by name, one of the two."""

    input: Json = Field(default_factory=dict)
    agent_id: Word | None = None
    agent: Name | None = Field(None, description="A name; registered on its first use.")
    session_id: Word | None = None
    version_id: Word | None = None
    metadata: Json | None = None
    user_id: Word | None = None
    parent_execution_id: Word | None = None
    created_at: Time | None = Field(None, description="When it happened, if not now.")


class StartBody(Body):
    """Begin work."""

    worker: Name | None = Field(None, description="Who works on it; by default the caller.")
    at: Time | None = None


class ApprovalBody(Body):
    """Ask for approval of what is shown."""

    checkpoint_name: Name
    payload: Json = Field(default_factory=dict, description="What the human is shown, exactly.")
    expires_at: Time | None = None
    expires_in_s: Number | None = Field(
        None, gt=0, le=10**9, description="Seconds after which the server says no."
    )
    required_role: DecidingRole | None = Field(
        None, description="Who decides must have at least this role."
    )
    not_requester: bool | None = Field(
        None, description="Neither who asked for the run nor who asks here may decide."
    )
    on_reject: OnReject | None = Field(
        None, description="`resume`: a no does not end the run, its worker goes on. Default `end`."
    )

    @property
    def policy(self) -> ApprovalPolicy:
        """Who may decide, and what follows a no."""
        return ApprovalPolicy(
            required_role=self.required_role,
            not_requester=self.not_requester,
            on_reject=self.on_reject,
            expires_in_s=self.expires_in_s,
        )


class EndBody(Body):
    """What every end of a run may say."""

    at: Time | None = None
    frames: list[AnyFrame] = Field(
        default_factory=list,
        description="The last of the run, recorded with its end or not at all.",
    )


class CompleteBody(EndBody):
    """Finish with an output."""

    output: Json = Field(default_factory=dict)


class FailBody(EndBody):
    """End by an error."""

    error: str = Field(max_length=10_000)
    error_code: Cause = "error"
    error_type: Word | None = None
    trace: str | None = Field(None, max_length=100_000, description="For the audit only.")


class AnnotateBody(Body):
    """Add or change metadata after the fact."""

    metadata: Json


class ReasonBody(LenientBody):
    """Why."""

    reason: str | None = Field(None, max_length=10_000)


class AnswerBody(ReasonBody):
    """Yes or no to what a run waits for."""

    payload_digest: str | None = Field(
        None,
        max_length=200,
        description="Of what was looked at; refused when something else waits for the decision.",
    )


class CancelBody(ReasonBody):
    """Stop a run. `confirm` is for whoever works on it: it has stopped."""

    confirm: bool = False


class RunBody(CreateBody):
    """A whole run: how it began, what it streamed, how it ended, what it was worth."""

    frames: list[AnyFrame] = Field(default_factory=list)
    usage: list[UsageReport] = Field(default_factory=list)
    scores: list[Judgement] = Field(default_factory=list)
    output: Json | None = None
    error: str | None = Field(None, max_length=10_000)
    error_code: Cause = "error"
    started_at: Time | None = None
    completed_at: Time | None = None
    idempotency_key: Name | None = Field(
        None, description="The same key records once; without one, the same line does."
    )


class FramesBody(RootModel[AnyFrame | list[AnyFrame]]):
    """Frames in their order; any number of them is one durable append."""


class OneQuery(Query):
    """An execution as it was."""

    at: int | None = Field(None, ge=1, le=2**53, description="As it was after this event.")


class EventsQuery(Query):
    """Which part of a history."""

    after: int = Field(0, ge=0, le=2**53, description="The events after this sequence or position.")
    limit: int = Field(100, description="At most so many, 1 to 1000.")
    type: Word | None = Field(None, description="Only events of these types, by commas.")


class Recorded(BaseModel):
    """It is durable."""

    id: str
    execution_id: str
    version: int
    position: int
    repeated: bool
    approval_id: str | None = None
    budget: BudgetState | None = Field(
        None, description="Of a run under a budget. Frames after the one that crosses are left out."
    )
    cancellation_requested: bool = Field(
        False, description="Somebody wants the run stopped: stop, and cancel with `confirm`."
    )


class Refusal(BaseModel):
    """Why a line was not recorded."""

    code: str
    message: str
    details: Json


class Verdict(BaseModel):
    """What became of one line: where it is recorded, or why not."""

    line: int = Field(description="Counted from 1, empty ones too.")
    id: str | None = None
    execution_id: str | None = None
    version: int | None = None
    position: int | None = None
    repeated: bool | None = None
    error: Refusal | None = None


class Actor(BaseModel):
    """Who, as the credentials said."""

    type: str
    id: str
    auth: str
    name: str | None = None


class AuditEvent(BaseModel):
    """One recorded event."""

    sequence: int
    type: str
    at: str
    actor: Actor
    data: Json
    position: int
    trace_id: str | None
    schema_: int = Field(alias="schema")
    id: str
    aggregate_id: str
    topic: str
    request_id: str | None = None


class TokenUsage(BaseModel):
    """Prompt includes cached, completion includes reasoning."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_tokens: int | None = None
    cache_creation_tokens: int | None = None
    reasoning_tokens: int | None = None


class Execution(BaseModel):
    """One run of an agent."""

    id: str
    execution_id: str
    agent_id: str
    agent_name: str
    agent_version_id: str
    workspace_id: str
    user_id: str
    session_id: str
    parent_execution_id: str | None
    root_execution_id: str | None
    status: Status
    is_terminal: bool
    mode: Mode
    input: Json | None = None
    metadata: Json | None = None
    output: Json | None = None
    error: str
    error_code: str | None
    token_usage: TokenUsage
    total_tokens: int
    cost: float | None
    cost_usd: str | None
    inclusive_cost_usd: str | None = None
    unpriced_tokens: int
    models: list[str] = Field(description="In the order of their first use.")
    duration_ms: int | None = Field(description="From the start to the end.")
    worker: str | None = Field(description="Who works on it, or did last.")
    attempt: int
    cancellation_requested: bool
    trace_id: str
    version: int
    approval_id: str | None = Field(description="What it waits for, while it does.")
    approval_expires_at: str | None
    children: "list[Execution] | None" = Field(None, description="In a tree.")
    created_at: str
    started_at: str | None
    completed_at: str | None
    updated_at: str
