"""Commands about approvals: ask, edit, decide, let expire."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger import events as e
from ledger.approval_policy import ApprovalPolicy
from ledger.commands.command import Decision
from ledger.commands.raises import note_asked, raise_budget
from ledger.digest import digest_of
from ledger.execution import Execution
from ledger.unit import Unit

_BY_DEFAULT = ApprovalPolicy()


@dataclass(frozen=True, slots=True)
class RequestApproval:
    """Park a running execution until a human decides on what is shown."""

    execution_id: str
    checkpoint_name: str
    payload: e.Json
    expires_at: datetime | None = None
    policy: ApprovalPolicy = _BY_DEFAULT
    lease: str | None = None

    def decide(self, unit: Unit) -> Decision:
        """Record `approval_requested`; the decision's subject is the approval's id."""
        return request_approval(
            unit.at_work(self.execution_id, self.lease),
            unit,
            self.checkpoint_name,
            self.payload,
            expires_at=self.expires_at,
            policy=self.policy,
        )


def request_approval(
    execution: Execution,
    unit: Unit,
    checkpoint: str,
    payload: e.Json,
    *,
    expires_at: datetime | None = None,
    held_back: bool = False,
    policy: ApprovalPolicy = _BY_DEFAULT,
) -> Decision:
    """Park an execution; the decision's subject is the approval's id."""
    approval_id = unit.new_id()
    facts = {
        "approval_id": approval_id,
        "checkpoint_name": checkpoint,
        "payload": payload,
        "payload_digest": digest_of(payload),
        "held_back": held_back,
        "expires_at": expires_at or _expiry(unit, policy),
        "required_role": policy.required_role,
        "not_requester": policy.not_requester,
        "on_reject": policy.on_reject,
    }
    execution.request_approval(unit.stamp, facts)
    note_asked(execution, unit)
    return Decision(execution, approval_id)


def _expiry(unit: Unit, policy: ApprovalPolicy) -> datetime | None:
    """When nobody can decide any more: as the request's policy says, or else the ledger's."""
    seconds, ttl = policy.expires_in_s, unit.policy.approval_ttl
    if seconds is not None:
        return unit.stamp.at + timedelta(seconds=seconds)
    return None if ttl is None else unit.stamp.at + ttl


@dataclass(frozen=True, slots=True)
class SupersedeApproval:
    """Edit what is to be approved: a new request takes the place of the one that waits."""

    execution_id: str
    approval_id: str
    payload: e.Json
    reason: str | None = None

    def decide(self, unit: Unit) -> Decision:
        """Record `approval_superseded`; the decision's subject is the new request's id."""
        execution = unit.target(self.execution_id)
        new_id = unit.new_id()
        facts = {
            "approval_id": new_id,
            "payload": self.payload,
            "payload_digest": digest_of(self.payload),
            "reason": self.reason,
        }
        execution.supersede(unit.stamp, self.approval_id, facts)
        return Decision(execution, new_id)


@dataclass(frozen=True, slots=True)
class Decide:
    """Approve or reject; without an approval id, whatever the execution waits for.

    Who decides, in which role, is the caller's; a digest that is quoted must be that of what is
    shown.
    """

    execution_id: str
    approve: bool
    reason: str | None = None
    approval_id: str | None = None
    payload_digest: str | None = None

    def decide(self, unit: Unit) -> Decision:
        """Record `approved` (and `completed`, when a result was held back), or a no.

        A no is `rejected`, or `denied` where the request lets the run go on after it.
        """
        execution = unit.target(self.execution_id)
        pending = execution.approval
        approval_id = self.approval_id or (pending.id if pending else "")
        answer = execution.approve if self.approve else execution.reject
        answer(unit.stamp, approval_id, self.reason, role=unit.role, digest=self.payload_digest)
        if self.approve and pending is not None and pending.raises is not None:
            raise_budget(execution, unit, pending.id, pending.raises)
        return Decision(execution, approval_id)


@dataclass(frozen=True, slots=True)
class ExpireApproval:
    """Nobody answered in time."""

    execution_id: str
    approval_id: str

    def decide(self, unit: Unit) -> Decision:
        """Record `approval_expired`, or `denied` where the run goes on after a no."""
        execution = unit.target(self.execution_id)
        execution.expire(unit.stamp, self.approval_id)
        return Decision(execution, self.approval_id)
