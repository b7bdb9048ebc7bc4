"""Approvals on the wire."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from ledger.approval_policy import DecidingRole, OnReject
from ledger.role import Role
from server.route import Body
from server.schemas.executions import AnswerBody, Execution
from server.schemas.paging import PageQuery

ApprovalStatus = Literal["pending", "approved", "rejected", "superseded", "expired", "cancelled"]
"""Superseded: an edit of it stands in its place. Cancelled: its execution ended while it waited."""


class ApprovalsQuery(PageQuery):
    """Which approvals."""

    status: ApprovalStatus | None = None


class DecisionBody(AnswerBody):
    """A decision. Who decides, the credentials say."""

    decision: Literal["approved", "rejected"]


class EditBody(Body):
    """Another payload to decide on; for held-back output it has the new `output`."""

    payload: dict[str, Any] = Field(description="What the human is shown instead, exactly.")
    reason: str | None = Field(None, max_length=10_000)


class ApprovalRequest(BaseModel):
    """What a human is asked to approve, and what became of it.

    `payload_digest` is the SHA-256 of the payload as canonical JSON (RFC 8785): what was shown.
    """

    id: str
    execution_id: str
    workspace_id: str
    agent_id: str
    checkpoint_name: str
    payload: dict[str, Any]
    payload_digest: str
    held_back: bool = Field(description="Whether a yes completes the run with `payload.output`.")
    requested_by: str = Field(description="Who asked, or edited: the id of the principal.")
    requested_by_name: str | None
    required_role: DecidingRole | None = Field(description="Who decides has at least this role.")
    not_requester: bool = Field(description="Who asked, or asked for the run, does not decide.")
    on_reject: OnReject = Field(description="Whether a no ends the run or lets it go on.")
    supersedes: str | None = Field(description="The request that this one is an edit of.")
    superseded_by: str | None
    status: ApprovalStatus
    reason: str | None
    decided_by: str | None = Field(description="The id of the principal; null when nobody did.")
    decided_by_name: str | None
    decided_auth: str | None = Field(description="How they were authenticated.")
    decided_role: Role | None
    decided_digest: str | None = Field(description="Of what they decided on.")
    decided_at: str | None
    expires_at: str | None
    created_at: str


class AskedExecution(Execution):
    """An execution with the request for approval that it waits for, or that was decided on."""

    approval: ApprovalRequest | None = None
