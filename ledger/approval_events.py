"""The facts about approvals: what a human was shown, and what they said, as evidence.

Asked, edited, decided and expired are facts of their own. Who asked and who decided is the actor of
the envelope, from the credentials.
"""

from datetime import datetime
from typing import Any, ClassVar

from ledger.approval_policy import ApprovalPolicy, DecidingRole, OnReject
from ledger.event import Event
from ledger.role import Role
from ledger.transition import Ended, Transition


class Asked(Event):
    """What every request for approval says: `payload` is what a human is shown."""

    approval_id: str
    checkpoint_name: str
    payload: dict[str, Any]
    payload_digest: str
    held_back: bool = False
    expires_at: datetime | None = None
    required_role: DecidingRole | None = None
    not_requester: bool | None = None
    on_reject: OnReject | None = None

    @property
    def policy(self) -> ApprovalPolicy:
        """Who may decide, and what follows a no."""
        return ApprovalPolicy(
            required_role=self.required_role,
            not_requester=self.not_requester,
            on_reject=self.on_reject,
        )


class ApprovalRequested(Asked, Transition):
    """The agent may not go on before a human says so; `payload` is what that human is shown."""

    TOPIC: ClassVar[str] = "execution.approval_requested.v1"


class ApprovalSuperseded(Asked):
    """Somebody edited what is to be approved: a new request stands in the place of the old one.

    Nobody can decide on the old one any more; the execution goes on waiting, for the new one.
    """

    TOPIC: ClassVar[str] = "execution.approval_superseded.v1"

    supersedes: str
    reason: str | None = None


class Decided(Event):
    """What every decision says, beside who took it: on what exactly, why, and in which role."""

    approval_id: str
    reason: str | None = None
    payload_digest: str | None = None
    role: Role | None = None


class Approved(Decided, Transition):
    """A human said yes; who, the envelope's actor tells."""

    TOPIC: ClassVar[str] = "execution.approved.v1"


class Rejected(Decided, Ended):
    """A human said no."""

    TOPIC: ClassVar[str] = "execution.rejected.v1"


class Denied(Decided, Transition):
    """A human said no, or nobody answered in time, and the worker that asked goes on without it."""

    TOPIC: ClassVar[str] = "execution.denied.v1"

    expired: bool | None = None
    deadline_at: datetime | None = None


class ApprovalExpired(Ended):
    """Nobody answered in time."""

    TOPIC: ClassVar[str] = "execution.approval_expired.v1"

    approval_id: str
