"""What a worker must know of an execution before it takes it up, read from its recorded facts."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ledger import events as e
from ledger.mapper import Recorded
from ledger.status import Status

EMBEDDED = "embedded-"
"""How the names of in-process workers begin."""

Json = dict[str, Any]


class Approval(NamedTuple):
    """A human's yes.

    Attributes:
        id: of the approval.
        checkpoint: where the run waited.
        payload_digest: of what the human was shown.
        by: the id of the principal who decided.
        by_name: their name, where they have one.
        reason: what they said.
        at: when it was recorded, RFC 3339.
    """

    id: str
    checkpoint: str
    payload_digest: str
    by: str
    by_name: str | None
    reason: str | None
    at: str


class Assignment(NamedTuple):
    """An execution as a worker sees it.

    Attributes:
        worker: who took it up last; None when nobody did.
        attempt: how often it was taken up.
        approvals: every yes so far, in order.
        version: of its latest fact.
        lease: the digest under which it was taken up last, if under any.
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
    def was_embedded(self) -> bool:
        """Whether an in-process worker took it up last."""
        return (self.worker or "").startswith(EMBEDDED)


def assignment_of(facts: Sequence[Recorded]) -> Assignment:
    """Fold the facts of an execution, frames left out, from the first to the last."""
    created = facts[0].facts
    last_start = _last(facts, e.Started.TOPIC)
    return Assignment(
        execution_id=facts[0].id,
        workspace=facts[0].envelope["workspace"],
        mode=created["mode"],
        status=_status(facts),
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
        agent_name=created["agent_name"],
        version=facts[-1].version,
        lease=last_start.get("lease"),
        deadline_at=last_start.get("deadline_at"),
        retry_backoff_s=created.get("terms", {}).get("retry_backoff_s", 0),
    )


def approval_of(requested: Recorded, approved: Recorded) -> Approval:
    """The yes to a request."""
    asked, said, actor = requested.facts, approved.facts, approved.envelope["actor"]
    return Approval(
        id=asked["approval_id"],
        checkpoint=asked["checkpoint_name"],
        payload_digest=asked["payload_digest"],
        by=actor["id"],
        by_name=actor.get("name"),
        reason=said.get("reason"),
        at=approved.at,
    )


def _approvals(facts: Iterable[Recorded]) -> Iterable[Approval]:
    requested: Recorded | None = None
    for fact in facts:
        if fact.topic == e.ApprovalRequested.TOPIC:
            requested = fact
        elif fact.topic == e.Approved.TOPIC and requested is not None:
            yield approval_of(requested, fact)


def _status(facts: Sequence[Recorded]) -> Status:
    said = (fact.facts.get("status") for fact in reversed(facts) if fact.topic in _STATUS_TOPICS)
    return Status(next(status for status in said if status))


def _metadata(facts: Iterable[Recorded]) -> Json:
    metadata: Json = {}
    for fact in facts:
        if fact.topic in (e.Created.TOPIC, e.Annotated.TOPIC):
            metadata |= fact.facts["metadata"]
    return metadata


def _last(facts: Sequence[Recorded], topic: str) -> Json:
    return next((fact.facts for fact in reversed(facts) if fact.topic == topic), {})


_STATUS_TOPICS = frozenset(
    event.TOPIC
    for event in (
        e.Created,
        e.Started,
        e.ApprovalRequested,
        e.Approved,
        e.Rejected,
        e.ApprovalExpired,
        e.Cancelled,
        e.WorkerLost,
        e.Completed,
        e.Failed,
    )
)
"""The topics of facts that say which status follows; a test holds this against the events."""
