"""Commands about approvals: ask, decide, let expire."""

from dataclasses import dataclass
from datetime import datetime

from ledger import events as e
from ledger.commands.command import Decision
from ledger.digest import digest_of
from ledger.execution import Execution
from ledger.unit import Unit


@dataclass(frozen=True, slots=True)
class RequestApproval:
    """Park a running execution until a human decides on what is shown."""

    execution_id: str
    checkpoint_name: str
    payload: e.Json
    expires_at: datetime | None = None
    lease: str | None = None

    def decide(self, unit: Unit) -> Decision:
        """Record `approval_requested`; the decision's subject is the approval's id."""
        execution = unit.at_work(self.execution_id, self.lease)
        return request_approval(
            execution, unit, self.checkpoint_name, self.payload, expires_at=self.expires_at
        )


def request_approval(
    execution: Execution,
    unit: Unit,
    checkpoint: str,
    payload: e.Json,
    *,
    expires_at: datetime | None = None,
    held_back: bool = False,
) -> Decision:
    """Park an execution; the decision's subject is the approval's id."""
    ttl = unit.policy.approval_ttl
    approval_id = unit.new_id()
    facts = {
        "approval_id": approval_id,
        "checkpoint_name": checkpoint,
        "payload": payload,
        "payload_digest": digest_of(payload),
        "held_back": held_back,
        "expires_at": expires_at or (ttl and unit.stamp.at + ttl),
    }
    execution.request_approval(unit.stamp, facts)
    return Decision(execution, approval_id)


@dataclass(frozen=True, slots=True)
class Decide:
    """Approve or reject; without an approval id, whatever the execution waits for."""

    execution_id: str
    approve: bool
    reason: str | None = None
    approval_id: str | None = None

    def decide(self, unit: Unit) -> Decision:
        """Record `approved` (and `completed`, when a result was held back) or `rejected`."""
        execution = unit.target(self.execution_id)
        waiting_for = execution.approval.id if execution.approval else ""
        approval_id = self.approval_id or waiting_for
        answer = execution.approve if self.approve else execution.reject
        answer(unit.stamp, approval_id, self.reason)
        return Decision(execution, approval_id)


@dataclass(frozen=True, slots=True)
class ExpireApproval:
    """Nobody answered in time."""

    execution_id: str
    approval_id: str

    def decide(self, unit: Unit) -> Decision:
        """Record `approval_expired`."""
        execution = unit.target(self.execution_id)
        execution.expire(unit.stamp, self.approval_id)
        return Decision(execution, self.approval_id)
