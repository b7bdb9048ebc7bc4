"""Approvals on the wire."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from server.route import LenientBody
from server.schemas.paging import PageQuery

ApprovalStatus = Literal["pending", "approved", "rejected", "expired", "cancelled"]
"""Cancelled: its execution ended while it waited, and nobody decided."""


class ApprovalsQuery(PageQuery):
    """Which approvals."""

    status: ApprovalStatus | None = None


class DecisionBody(LenientBody):
    """A decision. Who decides, the credentials say."""

    decision: Literal["approved", "rejected"]
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
    status: ApprovalStatus
    reason: str | None
    decided_by: str | None
    decided_at: str | None
    expires_at: str | None
    created_at: str
