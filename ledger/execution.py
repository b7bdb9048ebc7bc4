"""The execution: one run of an agent, as an event-sourced aggregate.

Commands decide (they may refuse, by the lifecycle table); `evolve` follows recorded facts and
never refuses. State is replaced, never mutated in place, so that a fork costs one dict copy.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from eventsourcing.domain import BaseAggregate

from ledger import events as e
from ledger.approval import PendingApproval
from ledger.approval_policy import ApprovalPolicy
from ledger.errors import AlreadyDecided, IllegalTransition, LeaseLost, NotFound
from ledger.event import Event, Stamp, encode_events, envelope_of
from ledger.lifecycle import LIFECYCLE
from ledger.pricing import totals_after
from ledger.role import Role
from ledger.run_budget import RunBudget
from ledger.status import Status
from ledger.terms import Terms
from ledger.usage import Totals
from ledger.work_time import WorkTime, milliseconds

Facts = Mapping[str, Any]


class Execution(BaseAggregate[str]):
    """One run of an agent: identity, status, what it spent, what it waits for."""

    TOPIC = "execution"  # makes the library insist on explicit topics for every event

    def __init__(self) -> None:
        self.workspace = ""
        self.agent_id = ""
        self.user_id = ""
        self.agent_version_id = ""
        self.mode: e.Mode = "record"
        self.status = Status.PENDING
        self.trace_id = ""
        self.root_execution_id = ""
        self.depth = 0
        self.created_by = ""
        self.checkpoint: str | None = None
        self.approval_policy: ApprovalPolicy | None = None
        self.totals = Totals()
        self.terms = Terms()
        self.budget: RunBudget | None = None
        self.budget_owners: tuple[str, ...] = ()
        self.worker: str | None = None
        self.lease: str | None = None
        self.attempt = 0
        self.losses = 0
        self.goes_on_after_no = False
        self.work_time = WorkTime()
        self.started_at: datetime | None = None
        self.approval: PendingApproval | None = None
        self.cancellation_requested = False
        self.cancellation_reason: str | None = None
        self.scores: frozenset[str] = frozenset()

    @property
    def is_stopped(self) -> bool:
        """Whether it was cancelled, or is to be."""
        return self.cancellation_requested or self.status is Status.CANCELLED

    # Commands: what a caller may ask for.

    @classmethod
    def create(cls, id_: str, stamp: Stamp, facts: Facts) -> Self:
        """Record that a run was asked for. `facts` are those of `Created` but the status."""
        return cls._create(
            e.Created,
            id=id_,
            timestamp=stamp.at,
            envelope=envelope_of(stamp, facts["trace_id"]),
            status=Status.PENDING,
            **facts,
        )

    def start(
        self,
        stamp: Stamp,
        worker: str,
        occurred_at: datetime | None = None,
        lease: str | None = None,
    ) -> None:
        """A worker takes the execution up, under a lease if it is given the digest of one.

        It is the same attempt when the worker who asked for an approval goes on after it; anybody
        else begins anew, and whoever reads the history must see that.
        """
        goes_on = self.status is Status.APPROVED and (worker, lease) == (self.worker, self.lease)
        facts = {"worker": worker, "attempt": self.attempt + (not goes_on), "lease": lease}
        self._record(stamp, e.Started, occurred_at=occurred_at, **facts)

    def append(self, stamp: Stamp, frames: Sequence[e.EncodedFrame]) -> None:
        """Record frames in the order given."""
        for event in {frame.event for frame in frames}:
            self._check(event)
        encoded = encode_events(self.id, self.version, stamp, self.trace_id, frames)
        self._pending_events.extend(encoded)  # type: ignore[arg-type] # the mapper takes both
        self.version += len(encoded)

    def record_usage(self, stamp: Stamp, facts: Facts) -> None:
        """Record tokens spent, priced already."""
        self._record(stamp, e.UsageRecorded, **facts)

    def reprice(self, stamp: Stamp, facts: Facts) -> None:
        """Price a model call anew; allowed in every status."""
        self._record(stamp, e.UsageRepriced, **facts)

    def request_approval(self, stamp: Stamp, facts: Facts) -> None:
        """Park the execution until a human decides."""
        self._record(stamp, e.ApprovalRequested, **facts)

    def supersede(self, stamp: Stamp, approval_id: str, facts: Facts) -> None:
        """Put an edited request in the place of the one that waits; the execution goes on waiting.

        Args:
            stamp: of who edits, who counts as somebody who asked from now on.
            approval_id: of the request that is edited.
            facts: the new request's `approval_id`, `payload`, `payload_digest`; and a `reason`.
        """
        approval = self._awaited(approval_id)
        approval.check_edit(facts["payload"])
        self._record(stamp, e.ApprovalSuperseded, **approval.kept, **facts)

    def approve(
        self,
        stamp: Stamp,
        approval_id: str,
        reason: str | None,
        *,
        role: Role | None = None,
        digest: str | None = None,
    ) -> None:
        """Say yes; a result that was held back for this approval completes the execution."""
        approval = self._awaited(approval_id)
        approval.check_decision(stamp.actor.id, role, digest)
        self._record(stamp, e.Approved, **approval.decided(reason, role))
        if approval.held_output is not None:
            self.complete(stamp, approval.held_output)

    def reject(
        self,
        stamp: Stamp,
        approval_id: str,
        reason: str | None,
        *,
        role: Role | None = None,
        digest: str | None = None,
    ) -> None:
        """Say no. That is the end, unless the request says that the worker goes on without it."""
        approval = self._awaited(approval_id)
        approval.check_decision(stamp.actor.id, role, digest)
        event = e.Denied if approval.resumes else e.Rejected
        self._record(stamp, event, **approval.decided(reason, role))

    def expire(self, stamp: Stamp, approval_id: str) -> None:
        """Nobody answered in time: a no, with what follows from one."""
        approval = self._awaited(approval_id)
        if approval.resumes:
            reason = "nobody decided in time"
            self._record(stamp, e.Denied, expired=True, **approval.decided(reason))
        else:
            self._record(stamp, e.ApprovalExpired, approval_id=approval.id)

    def cancel(self, stamp: Stamp, reason: str | None, *, confirm: bool = False) -> None:
        """Stop. On a run that somebody works on this is requested first, and then confirmed."""
        if self.status is Status.RUNNING and not confirm:
            if not self.cancellation_requested:
                self._record(stamp, e.CancellationRequested, reason=reason)
            return
        self._record(stamp, e.Cancelled, reason=reason or self.cancellation_reason)

    def lose_worker(
        self, stamp: Stamp, last_heard: datetime | None, *, in_good_order: bool = False
    ) -> None:
        """The worker fell silent, or gave it back; the execution goes back to pending."""
        excused = in_good_order or self.goes_on_after_no or None
        facts = {"worker": self.worker or "", "attempt": self.attempt, "excused": excused}
        self._record(stamp, e.WorkerLost, last_heard=last_heard, **facts)

    def complete(self, stamp: Stamp, output: e.Json, occurred_at: datetime | None = None) -> None:
        """Finish with an output."""
        self._record(stamp, e.Completed, output=output, occurred_at=occurred_at)

    def fail(self, stamp: Stamp, facts: Facts) -> None:
        """End by an error."""
        self._record(stamp, e.Failed, **facts)

    def annotate(self, stamp: Stamp, metadata: e.Json) -> None:
        """Add or change metadata; allowed in every status."""
        self._record(stamp, e.Annotated, metadata=metadata)

    def score(self, stamp: Stamp, facts: Facts) -> None:
        """Record a judgement, or replace the one with the same id."""
        self._record(stamp, e.Scored, **facts)

    def remove_score(self, stamp: Stamp, score_id: str) -> None:
        """Withdraw a judgement."""
        if score_id not in self.scores:
            raise NotFound("score", score_id)
        self._record(stamp, e.ScoreRemoved, score_id=score_id)

    # Decide: the only places that refuse.

    def _awaited(self, approval_id: str) -> PendingApproval:
        if self.approval is None or approval_id != self.approval.id:
            raise AlreadyDecided(approval_id, self.status, self.approval and self.approval.id)
        return self.approval

    def check_lease(self, lease: str | None) -> None:
        """Raises LeaseLost unless this is the lease of the work, or the work is under none."""
        if lease != self.lease:
            raise LeaseLost(self.id, self.status)

    def takes(self, event: type[Event]) -> bool:
        """Whether the lifecycle allows an event now."""
        return self.status in LIFECYCLE[event].sources

    def _check(self, event: type[Event]) -> Status:
        if not self.takes(event):
            raise IllegalTransition(self.id, self.status, event.TYPE)
        return LIFECYCLE[event].target or self.status

    def _record(self, stamp: Stamp, event: type[Event], **facts: Any) -> None:
        target = self._check(event)
        if issubclass(event, e.Transition):
            facts |= {"status": target, "previous": self.status}
        if issubclass(event, e.Started | e.Denied):
            facts |= {"deadline_at": self._deadline(stamp)}
        if issubclass(event, e.Ended):
            ended = facts.get("occurred_at") or stamp.at
            facts |= {"totals": self.totals, "duration_ms": milliseconds(self.started_at, ended)}
        envelope = envelope_of(stamp, self.trace_id)
        self.trigger_event(event, timestamp=stamp.at, envelope=envelope, **facts)

    def _deadline(self, stamp: Stamp) -> datetime | None:
        """When the work must be done that begins now: what was worked before counts."""
        most = self.terms.max_duration_s
        if most is None or self.mode != "execute":
            return None
        return self.work_time.deadline(stamp.at, most)

    # Evolve: total; a stored fact is never refused.

    def evolve(self, event: Event) -> None:  # noqa: C901 - one case for each kind of fact
        """Follow a recorded fact."""
        if isinstance(event, e.Transition):
            self.status = event.status
            self.work_time = self.work_time.moved(event)
            self.goes_on_after_no = isinstance(event, e.Denied)
        match event:
            case e.Created():
                self._begin(event)
            case e.Started():
                self.worker, self.attempt = event.worker, event.attempt
                self.lease = event.lease
                self.started_at = self.started_at or event.occurred_at or event.timestamp
            case e.UsageRecorded() | e.UsageRepriced():
                self.totals = totals_after(self.totals, event)
            case e.Asked():
                self.approval = self._pending(event)
            case e.Decided() | e.ApprovalExpired() | e.Cancelled() | e.Failed():
                self.approval = None
            case e.CancellationRequested():
                self.cancellation_requested = True
                self.cancellation_reason = event.reason
            case e.WorkerLost():
                self.lease = None
                self.losses += not event.excused
            case e.Scored():
                self.scores |= {event.score_id}
            case e.ScoreRemoved():
                self.scores -= {event.score_id}
            case _:
                pass

    def _pending(self, event: e.Asked) -> PendingApproval:
        """What is waited for now. Who asked for what was edited has asked for the edit too."""
        before = self.approval.requesters if self.approval else {self.created_by}
        return PendingApproval.of(event, before)

    def _begin(self, event: e.Created) -> None:
        self.workspace = event.envelope.stamp.workspace
        self.agent_id, self.user_id = event.agent_id, event.user_id
        self.agent_version_id = event.agent_version_id
        self.mode = event.mode
        self.status = event.status
        self.trace_id = event.trace_id
        self.root_execution_id, self.depth = event.root_execution_id, event.depth or 0
        self.created_by = event.envelope.stamp.actor.id
        self.checkpoint = event.approval_checkpoint
        self.terms = event.terms or Terms()
        self.budget, self.budget_owners = event.budget, tuple(event.budget_owners or ())
        self.approval_policy = event.approval_policy
