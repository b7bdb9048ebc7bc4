"""The approval that an execution is parked at, and the rules of who may decide on it."""

from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, NamedTuple, Self

from ledger import events as e
from ledger.approval_policy import ApprovalPolicy
from ledger.errors import DigestMismatch, InvalidPayload, RoleRequired, SamePerson
from ledger.role import Role
from ledger.run_budget import CHECKPOINT, Raise, raise_in


class PendingApproval(NamedTuple):
    """A request that waits for a decision.

    Attributes:
        digest: of what is shown.
        held_output: what a yes completes the execution with; None when nothing is held back.
        requesters: ids of whoever asked for the run, for the approval, or for an edit of it.
        raises: what a yes adds to a budget, if that is what is asked for.
    """

    id: str
    checkpoint_name: str
    digest: str
    held_output: e.Json | None
    expires_at: datetime | None
    policy: ApprovalPolicy
    requesters: frozenset[str]
    raises: Raise | None

    @classmethod
    def of(cls, asked: e.Asked, requesters: AbstractSet[str]) -> Self:
        """The request that was recorded, on behalf of these and of who recorded it."""
        return cls(
            id=asked.approval_id,
            checkpoint_name=asked.checkpoint_name,
            digest=asked.payload_digest,
            held_output=asked.payload.get("output") if asked.held_back else None,
            expires_at=asked.expires_at,
            policy=asked.policy,
            requesters=frozenset({*requesters, asked.envelope.stamp.actor.id}),
            raises=raise_in(asked.payload) if asked.checkpoint_name == CHECKPOINT else None,
        )

    @property
    def resumes(self) -> bool:
        """Whether the worker goes on after a no."""
        return self.policy.on_reject == "resume"

    @property
    def kept(self) -> dict[str, Any]:
        """The facts that an edit of this request keeps."""
        return {
            "supersedes": self.id,
            "checkpoint_name": self.checkpoint_name,
            "held_back": self.held_output is not None,
            "expires_at": self.expires_at,
            "required_role": self.policy.required_role,
            "not_requester": self.policy.not_requester,
            "on_reject": self.policy.on_reject,
        }

    def decided(self, reason: str | None, role: Role | None = None) -> dict[str, Any]:
        """The facts of a decision: on what exactly, why, and in which role."""
        return {
            "approval_id": self.id,
            "reason": reason,
            "payload_digest": self.digest,
            "role": role,
        }

    def check_decision(self, by: str, role: Role | None, digest: str | None) -> None:
        """Refuse who may not decide, and a decision about something else.

        Args:
            by: the id of the principal who decides.
            role: theirs, from the credentials; None for what acts without any.
            digest: of what they looked at, where they say it.

        Raises:
            RoleRequired: the request asks for a higher role.
            SamePerson: who asked must not decide.
            DigestMismatch: the digest is not that of what is shown.
        """
        required = self.policy.required_role
        if required and not (role and role.includes(Role(required))):
            raise RoleRequired(self.id, required)
        if self.policy.not_requester and by in self.requesters:
            raise SamePerson(self.id)
        if digest is not None and digest != self.digest:
            raise DigestMismatch(self.id, self.digest, digest)

    def check_edit(self, payload: e.Json) -> None:
        """Raises InvalidPayload when output is held back and an edit has none."""
        if self.held_output is not None and not isinstance(payload.get("output"), dict):
            message = "payload.output: an edit of held-back output is an object with the new output"
            raise InvalidPayload(message, approval_id=self.id)
