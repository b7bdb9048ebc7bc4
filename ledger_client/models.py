"""The things of a ledger, with the fields that there are to read."""

from typing import Any

from ledger_client.record import Record

Json = dict[str, Any]


class Execution(Record):
    """One run of an agent. Money is known or None; unknown is never zero."""

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
    status: str
    is_terminal: bool
    mode: str
    input: Json
    metadata: Json
    output: Json | None
    error: str
    error_code: str | None
    token_usage: dict[str, int]
    total_tokens: int
    cost: float | None
    cost_usd: str | None
    inclusive_cost_usd: str | None
    unpriced_tokens: int
    models: list[str]
    duration_ms: int | None
    worker: str | None
    attempt: int
    cancellation_requested: bool
    trace_id: str
    version: int
    approval_id: str | None
    approval_expires_at: str | None
    created_at: str
    started_at: str | None
    completed_at: str | None
    updated_at: str

    @property
    def approval(self) -> "ApprovalRequest | None":
        """What it waits for or was decided on; sent with decisions and in the inbox."""
        request = self._fields.get("approval")
        return None if request is None else ApprovalRequest(request)

    @property
    def children(self) -> "list[Execution]":
        """The executions below it; only a tree has them."""
        return [Execution(each) for each in self._fields.get("children") or ()]


class AgentVersion(Record):
    """What an agent was made of, under a name that never changes its meaning."""

    id: str
    agent_id: str
    version: str
    config: Json
    input_schema: Json
    output_schema: Json | None
    is_current: bool
    is_active: bool
    message: str
    created_at: str


class Agent(Record):
    """An agent: what runs."""

    id: str
    workspace_id: str
    name: str
    description: str
    type: str
    status: str
    labels: list[str]
    created_at: str
    updated_at: str

    @property
    def current_version(self) -> AgentVersion | None:
        """The version in force, if there is any."""
        version = self._fields.get("current_version")
        return None if version is None else AgentVersion(version)


class Guardrail(Record):
    """A guardrail as it was noted; the ledger enforces none."""

    id: str
    agent_id: str
    type: str
    scanner_type: str
    action: str
    config: Json
    is_active: bool
    sort_order: int


class ApprovalRequest(Record):
    """What a human is asked, and what became of it."""

    id: str
    execution_id: str
    workspace_id: str
    agent_id: str
    checkpoint_name: str
    payload: Json
    payload_digest: str
    held_back: bool
    requested_by: str
    requested_by_name: str | None
    required_role: str | None
    not_requester: bool
    on_reject: str
    supersedes: str | None
    superseded_by: str | None
    status: str
    reason: str | None
    decided_by: str | None
    decided_by_name: str | None
    decided_auth: str | None
    decided_role: str | None
    decided_digest: str | None
    decided_at: str | None
    expires_at: str | None
    created_at: str

    @property
    def approved(self) -> bool:
        """Whether the answer was yes."""
        return self.status == "approved"


class AuditEvent(Record):
    """One recorded event: who, when, what."""

    sequence: int
    type: str
    at: str
    actor: Json
    data: Json
    position: int
    trace_id: str | None
    schema: int
    id: str
    aggregate_id: str
    topic: str


class Span(Record):
    """One step of a run, as a trace shows it."""

    id: str
    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    kind: str
    status: str
    input: Any
    output: Any
    attributes: Json
    cost: float | None
    cost_usd: str | None
    duration_ms: int | None
    error_message: str
    model_name: str
    total_tokens: int
    execution_id: str
    started_at: str
    ended_at: str | None


class TraceSummary(Record):
    """Totals over spans."""

    total_traces: int
    total_tokens: int
    total_cost: float | None
    total_cost_usd: str | None
    avg_duration_ms: float | None
    error_count: int
    unique_models: int
    unique_sessions: int


class Score(Record):
    """A judgement of a run."""

    id: str
    trace_id: str
    span_id: str
    execution_id: str
    name: str
    value: float | None
    string_value: str
    data_type: str
    source: str
    comment: str
    config_id: str | None
    created_by: str
    created_at: str
    updated_at: str


class ScoreAggregate(Record):
    """The scores of one name, summed up."""

    name: str
    count: int
    avg: float | None
    min: float | None
    max: float | None


class ScoreConfig(Record):
    """What the scores of some name may be."""

    id: str
    name: str
    data_type: str
    min_value: float | None
    max_value: float | None
    categories: list[Any]
    description: str
    is_active: bool


class Session(Record):
    """What happened under one session id."""

    session_id: str
    trace_count: int
    total_tokens: int
    total_cost: float | None
    total_cost_usd: str | None
    error_count: int
    first_seen: str
    last_seen: str


class Dashboard(Record):
    """Figures of the last days."""

    overview: Json
    executions_by_day: list[Json]
    cost_by_day: list[Json]
    agent_usage: list[Json]
    model_usage: list[Json]
    error_rate: list[Json]
