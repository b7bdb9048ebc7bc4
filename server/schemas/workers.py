"""Workers on the wire: what they ask for, what they are given."""

from typing import Any

from pydantic import BaseModel, Field

from ledger.agent import AgentType
from ledger.fields import Name, Word
from ledger.status import Status
from server.route import Body
from server.schemas.budgets import BudgetState

Json = dict[str, Any]


class WorkersAgent(Body):
    """An agent that a worker can run, as its program describes it."""

    name: Name
    version: Name = Field(description="A label; the first registration of each is put in force.")
    type: AgentType = "agent"
    description: str = Field("", max_length=10_000)
    labels: list[Word] = Field(default_factory=list, max_length=100)
    config: Json = Field(default_factory=dict)
    approval_policy: Json = Field(default_factory=dict)
    input_schema: Json = Field(default_factory=dict)
    output_schema: Json | None = None


class RegisterBody(Body):
    """Make a worker's agents known."""

    agents: list[WorkersAgent] = Field(min_length=1, max_length=100)


class Registered(BaseModel):
    """An agent that is known now."""

    name: str
    version: str
    agent_id: str
    version_id: str
    is_new: bool = Field(description="Whether the version was recorded just now.")
    differs: bool = Field(
        description="Whether the version known under this label says otherwise; it stands."
    )


class ClaimBody(Body):
    """Ask for executions to work on."""

    agents: list[Name] = Field(min_length=1, max_length=100, description="Names of its agents.")
    worker: Name | None = Field(None, description="Who works; by default the caller.")
    most: int = Field(1, ge=1, le=100, description="How many at once.")
    wait_seconds: float = Field(
        20, ge=0, le=25, description="How long to wait for the first; then the answer is empty."
    )


class LeaveBody(Body):
    """Take nothing up any more."""

    agents: list[Name] = Field(min_length=1, max_length=100, description="Names of its agents.")
    worker: Name | None = Field(None, description="The name under which it claims.")


class Left(BaseModel):
    """A worker that takes nothing up any more."""

    worker: str


class GoOnBody(Body):
    """Go on after a human's answer."""

    wait_seconds: float = Field(20, ge=0, le=25, description="How long to wait for the answer.")


class HeartbeatBody(Body):
    """Say that the work goes on."""

    wait_seconds: float = Field(
        0, ge=0, le=25, description="Answer after so long, or as soon as the work is to stop."
    )


class ReleaseBody(Body):
    """Give the execution back, undone."""


class Lease(BaseModel):
    """For how long the execution is this worker's, unless it is heard of."""

    token: str | None = Field(
        description="Goes with every write, as X-Lease-Token. Told once: null after that."
    )
    seconds: float
    heartbeat_seconds: float = Field(description="How often to be heard of.")


class Approval(BaseModel):
    """What was decided at a checkpoint."""

    id: str
    checkpoint: str
    approved: bool = Field(description="A no is told to who asked to go on after one.")
    payload: Json = Field(description="What was decided on, edited or as it was asked about.")
    payload_digest: str
    asked_digest: str = Field(description="Of what the worker asked about.")
    by: str
    by_name: str | None
    reason: str | None
    at: str


class Assignment(BaseModel):
    """An execution as its worker sees it."""

    execution_id: str
    agent_id: str
    agent_name: str
    agent_version_id: str
    agent_version: str = Field(description='The version\'s label; "" for an agent without any.')
    config: Json
    input: Json
    metadata: Json
    session_id: str
    user_id: str
    trace_id: str
    status: Status
    attempt: int
    approvals: list[Approval] = Field(
        description="Every decision so far after which the run went on, in order."
    )
    deadline_at: str | None = Field(description="When the work must be done.")
    version: int
    cancellation_requested: bool
    budget: BudgetState | None = Field(description="Of a run under a budget, when it is claimed.")
    lease: Lease


class Heartbeat(BaseModel):
    """How the work stands."""

    execution_id: str
    lease_seconds: float = Field(description="How long the lease lasts from now.")
    cancellation_requested: bool = Field(description="Then stop, and confirm the cancellation.")
