"""Commands on an execution: start, append, complete, fail, cancel, annotate."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import cast

from ledger import events as e
from ledger.approval_policy import ApprovalPolicy
from ledger.commands.approvals import request_approval
from ledger.commands.budgets import append_step, append_within_budget, budget_state, is_limited
from ledger.commands.command import Decision
from ledger.events import EncodedFrame
from ledger.execution import Execution
from ledger.frames import Step
from ledger.status import Status
from ledger.terms import Terms
from ledger.unit import Unit


@dataclass(frozen=True, slots=True)
class Start:
    """Take an execution up: a pending one, or one that was approved and is worked on by us."""

    execution_id: str
    worker: str
    occurred_at: datetime | None = None
    lease: str | None = None

    def decide(self, unit: Unit) -> Decision:
        """Record `started`."""
        execution = unit.at_work(self.execution_id, self.lease)
        execution.start(unit.stamp, self.worker, self.occurred_at, self.lease)
        return Decision(execution)


@dataclass(frozen=True, slots=True)
class Claim:
    """Take an execution up under a new lease, whoever had it before it came to wait."""

    execution_id: str
    worker: str
    lease: str

    def decide(self, unit: Unit) -> Decision:
        """Record `started`."""
        execution = unit.target(self.execution_id)
        execution.start(unit.stamp, self.worker, lease=self.lease)
        return Decision(execution, budget=budget_state(execution, unit))


@dataclass(frozen=True, slots=True)
class Append:
    """Record frames, and usage reports among them, in the order given."""

    execution_id: str
    steps: Sequence[Step]
    lease: str | None = None

    def decide(self, unit: Unit) -> Decision:
        """Record a frame's event for each."""
        execution = unit.at_work(self.execution_id, self.lease)
        return Decision(execution, None, _spend(execution, unit, self.steps))


def _spend(execution: Execution, unit: Unit, steps: Sequence[Step]) -> e.Json | None:
    """Record steps as far as budgets allow, and say how these stand; None where there are none."""
    if steps and is_limited(execution, unit):
        return append_within_budget(execution, unit, steps)
    append_steps(execution, unit, steps)
    return None


def append_steps(execution: Execution, unit: Unit, steps: Sequence[Step]) -> None:
    """Record steps on an execution; runs of frames go in one piece. Budgets stop nothing here."""
    if execution.budget_owners:
        for step in steps:
            append_step(execution, unit, step)
        return
    for kind, group in groupby(steps, type):
        if kind is EncodedFrame:
            execution.append(unit.stamp, cast("list[EncodedFrame]", list(group)))
        else:
            for report in group:
                append_step(execution, unit, report)


@dataclass(frozen=True, slots=True)
class Complete:
    """Finish with an output; a version that wants it held back parks it for approval instead.

    `steps` are the last of the work, in the same append. If one of them crosses a budget, the
    execution has failed, and is not completed.
    """

    execution_id: str
    output: e.Json
    occurred_at: datetime | None = None
    lease: str | None = None
    steps: Sequence[Step] = ()

    def decide(self, unit: Unit) -> Decision:
        """Record `completed`, or `approval_requested` with the output held back.

        A yes at another checkpoint is no yes to the output: after one the execution is started
        again before its output is held back.
        """
        execution = unit.at_work(self.execution_id, self.lease)
        budget = _spend(execution, unit, self.steps)
        if budget is not None and execution.status.is_terminal:
            return Decision(execution, budget=budget)
        at_work = execution.status in {Status.RUNNING, Status.APPROVED}
        if execution.checkpoint is None or not at_work:
            execution.complete(unit.stamp, self.output, self.occurred_at)
            return Decision(execution, budget=budget)
        payload = {"output": self.output}
        policy = execution.approval_policy or ApprovalPolicy()
        return request_approval(
            execution, unit, execution.checkpoint, payload, held_back=True, policy=policy
        )


@dataclass(frozen=True, slots=True)
class Fail:
    """End an execution by an error; `steps` are the last of the work, in the same append."""

    execution_id: str
    error: str
    error_code: e.Cause = "error"
    error_type: str | None = None
    trace: str | None = None
    occurred_at: datetime | None = None
    lease: str | None = None
    steps: Sequence[Step] = ()

    def decide(self, unit: Unit) -> Decision:
        """Record `failed`."""
        execution = unit.at_work(self.execution_id, self.lease)
        budget = _spend(execution, unit, self.steps)
        if budget is not None and execution.status.is_terminal:
            return Decision(execution, budget=budget)
        facts = {
            "error": self.error,
            "error_code": self.error_code,
            "error_type": self.error_type,
            "trace": self.trace,
            "occurred_at": self.occurred_at,
        }
        execution.fail(unit.stamp, facts)
        return Decision(execution, budget=budget)


@dataclass(frozen=True, slots=True)
class Annotate:
    """Add or change metadata after the fact."""

    execution_id: str
    metadata: e.Json

    def decide(self, unit: Unit) -> Decision:
        """Record `annotated`."""
        execution = unit.target(self.execution_id)
        execution.annotate(unit.stamp, self.metadata)
        return Decision(execution)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop an execution; one that ended already stays as it is."""

    execution_id: str
    reason: str | None = None
    confirm: bool = False
    lease: str | None = None

    def decide(self, unit: Unit) -> Decision:
        """Record `cancellation_requested` on a running execution, `cancelled` on any other.

        With `confirm` the caller is the one who works on it, and a running one is cancelled too.
        """
        execution = unit.target(self.execution_id)
        if self.confirm and execution.status is Status.RUNNING:
            execution.check_lease(self.lease)
        if not execution.status.is_terminal:
            execution.cancel(unit.stamp, self.reason, confirm=self.confirm)
        return Decision(execution)


@dataclass(frozen=True, slots=True)
class LoseWorker:
    """The worker of an execution fell silent: try again, or give up after so many attempts.

    A worker that gives an execution back in good order never makes it fail, nor does one that was
    lost before anything followed a no after which the execution goes on: nothing failed while a
    human was thinking.
    """

    execution_id: str
    most_attempts: int
    last_heard: datetime | None = None
    lease: str | None = None
    in_good_order: bool = False

    def decide(self, unit: Unit) -> Decision:
        """Record `worker_lost`, and `failed` or `cancelled` where there is no next attempt."""
        execution = unit.at_work(self.execution_id, self.lease)
        before = execution.losses
        execution.lose_worker(unit.stamp, self.last_heard, in_good_order=self.in_good_order)
        if execution.cancellation_requested:
            execution.cancel(unit.stamp, "the worker was lost after the cancellation request")
        elif before < execution.losses >= self._most(execution.terms):
            error = f"the worker was lost {execution.losses} times"
            execution.fail(unit.stamp, {"error": error, "error_code": "worker_lost"})
        return Decision(execution)

    def _most(self, terms: Terms) -> int:
        """A version says how many losses are too many, or else the caller does."""
        return terms.max_attempts or self.most_attempts
