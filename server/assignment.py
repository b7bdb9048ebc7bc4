"""What a worker must know of an execution before it takes it up, read from its recorded facts."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ledger import events as e
from ledger.mapper import Recorded
from ledger.status import Status

EMBEDDED = "embedded-"
"""How the names of in-process workers begin."""

ANSWERS = frozenset({e.Approved.TOPIC, e.Denied.TOPIC})
"""Decisions after which a run goes on."""

Json = dict[str, Any]


class Approval(NamedTuple):
    """What was decided at a checkpoint.

    Attributes:
        id: of the approval.
        checkpoint: where the run waited.
        approved: whether it was a yes. A no is met only by who asked to go on after one.
        payload: what was decided on: what the agent asked about, unless somebody edited it.
        payload_digest: of that.
        asked_digest: of what the agent asked about.
        by: the id of the principal who decided.
        by_name: their name, where they have one.
        reason: what they said.
        at: when it was recorded, RFC 3339.
    """

    id: str
    checkpoint: str
    approved: bool
    payload: Json
    payload_digest: str
    asked_digest: str
    by: str
    by_name: str | None
    reason: str | None
    at: str


class Assignment(NamedTuple):
    """An execution as a worker sees it.

    Attributes:
        worker: who took it up last; None when nobody did.
        attempt: how often it was taken up.
        approvals: every decision so far after which the run went on, in order.
        denied_last: whether nothing moved it since a no after which it goes on.
        version: of its latest fact.
        lease: the digest under which it is worked on, if under any; none once its worker was lost.
        deadline_at: when that work must be done, RFC 3339.
        retry_backoff_s: seconds to wait after the first loss of a worker.
    """

    execution_id: str
    workspace: str
    mode: e.Mode
    status: Status
    agent_id: str
    agent_version_id: str
    trace_id: str
    session_id: str
    user_id: str
    input: Json
    metadata: Json
    worker: str | None
    attempt: int
    approvals: Sequence[Approval]
    denied_last: bool
    agent_name: str = ""
    version: int = 0
    lease: str | None = None
    deadline_at: str | None = None
    retry_backoff_s: float = 0

    @property
    def pause_seconds(self) -> float:
        """How long it waits before it is given to another worker; longer after each loss."""
        return float(self.retry_backoff_s * 2 ** max(0, min(self.attempt, 20) - 1))

    @property
    def waits_for_a_worker(self) -> bool:
        """Whether it is to be given to one; not if it goes back to the in-process worker."""
        if self.mode != "execute":
            return False
        approved = self.status is Status.APPROVED and not self.was_embedded
        return approved or self.status is Status.PENDING

    @property
    def is_for_embedded(self) -> bool:
        """Whether an in-process worker may take it up now.

        One that was approved goes back to the kind of worker that asked for the approval.
        """
        if self.mode != "execute":
            return False
        if self.status is Status.PENDING:
            return True
        return self.status is Status.APPROVED and self.was_embedded

    @property
    def is_at_embedded(self) -> bool:
        """Whether it is recorded as the work of an in-process worker, alive or not."""
        return self.mode == "execute" and self.status is Status.RUNNING and self.was_embedded

    @property
    def was_embedded(self) -> bool:
        """Whether an in-process worker took it up last."""
        return (self.worker or "").startswith(EMBEDDED)


def assignment_of(facts: Sequence[Recorded]) -> Assignment:
    """Fold the facts of an execution, frames left out, from the first to the last."""
    created = facts[0].facts
    last_start = _last(facts, e.Started.TOPIC)
    last_move = next(fact for fact in reversed(facts) if fact.topic in _STATUS_TOPICS)
    return Assignment(
        execution_id=facts[0].id,
        workspace=facts[0].envelope["workspace"],
        mode=created["mode"],
        status=Status(last_move.facts["status"]),
        agent_id=created["agent_id"],
        agent_version_id=created["agent_version_id"],
        trace_id=created["trace_id"],
        session_id=created["session_id"],
        user_id=created["user_id"],
        input=created["input"],
        metadata=_metadata(facts),
        worker=last_start.get("worker"),
        attempt=last_start.get("attempt", 0),
        approvals=tuple(_approvals(facts)),
        denied_last=last_move.topic == e.Denied.TOPIC,
        agent_name=created["agent_name"],
        version=facts[-1].version,
        lease=_last(facts, e.Started.TOPIC, e.WorkerLost.TOPIC).get("lease"),
        deadline_at=_deadline(facts),
        retry_backoff_s=created.get("terms", {}).get("retry_backoff_s", 0),
    )


def approval_of(requested: Recorded, edited: Recorded | None, decided: Recorded) -> Approval:
    """The decision on a request, or on the last edit of it."""
    asked, said, actor = requested.facts, decided.facts, decided.envelope["actor"]
    shown = edited.facts if edited is not None else asked
    return Approval(
        id=shown["approval_id"],
        checkpoint=asked["checkpoint_name"],
        approved=decided.topic == e.Approved.TOPIC,
        payload=shown["payload"],
        payload_digest=shown["payload_digest"],
        asked_digest=asked["payload_digest"],
        by=actor["id"],
        by_name=actor.get("name"),
        reason=said.get("reason"),
        at=decided.at,
    )


def _approvals(facts: Iterable[Recorded]) -> Iterable[Approval]:
    requested: Recorded | None = None
    edited: Recorded | None = None
    for fact in facts:
        if fact.topic == e.ApprovalRequested.TOPIC:
            requested, edited = fact, None
        elif fact.topic == e.ApprovalSuperseded.TOPIC:
            edited = fact
        elif fact.topic in ANSWERS and requested is not None:
            yield approval_of(requested, edited, fact)


def _metadata(facts: Iterable[Recorded]) -> Json:
    metadata: Json = {}
    for fact in facts:
        if fact.topic in (e.Created.TOPIC, e.Annotated.TOPIC):
            metadata |= fact.facts["metadata"]
    return metadata


def _deadline(facts: Sequence[Recorded]) -> str | None:
    """When the work under way must be done; each time it begins, or goes on, says it anew."""
    deadline: str | None = _last(facts, e.Started.TOPIC, e.Denied.TOPIC).get("deadline_at")
    return deadline


def _last(facts: Sequence[Recorded], *topics: str) -> Json:
    return next((fact.facts for fact in reversed(facts) if fact.topic in topics), {})


_STATUS_TOPICS = frozenset(
    event.TOPIC
    for event in (
        e.Created,
        e.Started,
        e.ApprovalRequested,
        e.Approved,
        e.Rejected,
        e.Denied,
        e.ApprovalExpired,
        e.Cancelled,
        e.WorkerLost,
        e.Completed,
        e.Failed,
    )
)
"""The topics of facts that say which status follows; a test holds this against the events."""
