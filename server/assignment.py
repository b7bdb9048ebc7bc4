"""What a worker must know of an execution before it takes it up, read from its recorded facts."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ledger import events as e
from ledger.clock import parse_time
from ledger.mapper import Recorded
from ledger.status import Status
from server.auth import IN_PROCESS

_ANSWERS = frozenset({e.Approved.TOPIC, e.Denied.TOPIC})
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
        taken_up_at: the position of the fact that it was taken up last; 0 when it never was.
        in_process: whether that was by a worker in the server's process.
        held_back: whether it is done but for a yes, or was, and nothing followed the no.
        version: of its latest fact.
        lease: the digest under which it is worked on, if under any; none once its worker was lost.
        deadline_at: when that work must be done, RFC 3339.
        retry_backoff_s: seconds to wait after the first loss of a worker.
        losses: how many workers were lost so far, those that gave it back not counted.
        was_given_back: whether the last one that had it gave it back, or was excused otherwise.
        lost_at: when that was, RFC 3339.
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
    taken_up_at: int = 0
    in_process: bool = False
    held_back: bool = False
    agent_name: str = ""
    version: int = 0
    lease: str | None = None
    deadline_at: str | None = None
    retry_backoff_s: float = 0
    losses: int = 0
    was_given_back: bool = False
    lost_at: str | None = None

    @property
    def pause_seconds(self) -> float:
        """How long it waits before it is given to another worker; longer after each loss."""
        if self.was_given_back or not self.losses:
            return 0.0
        return float(self.retry_backoff_s * 2 ** (min(self.losses, 20) - 1))

    def pause_left(self, now: datetime) -> float:
        """How much of that is left."""
        if self.lost_at is None:
            return 0.0
        return max(0.0, self.pause_seconds - (now - parse_time(self.lost_at)).total_seconds())

    @property
    def waits_for_a_worker(self) -> bool:
        """Whether it is to be given to one."""
        return self.mode == "execute" and self.status in {Status.PENDING, Status.APPROVED}


def assignment_of(facts: Sequence[Recorded]) -> Assignment:
    """Fold the facts of an execution, frames left out, from the first to the last."""
    created = facts[0].facts
    start = _last(facts, e.Started.TOPIC)
    said = start.facts if start else {}
    lost = [{"excused": False, **f.facts} for f in facts if f.topic == e.WorkerLost.TOPIC]
    lost_last = _last(facts, e.WorkerLost.TOPIC)
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
        worker=said.get("worker"),
        attempt=said.get("attempt", 0),
        approvals=tuple(_approvals(facts)),
        taken_up_at=start.position if start else 0,
        in_process=start is not None and start.envelope["actor"]["auth"] == IN_PROCESS,
        held_back=last_move.topic in _OF_A_REQUEST and _is_held_back(facts),
        agent_name=created["agent_name"],
        version=facts[-1].version,
        lease=_said_last(facts, e.Started.TOPIC, e.WorkerLost.TOPIC).get("lease"),
        deadline_at=_deadline(facts),
        retry_backoff_s=created.get("terms", {}).get("retry_backoff_s", 0),
        losses=sum(not said["excused"] for said in lost),
        was_given_back=bool(lost and lost[-1]["excused"]),
        lost_at=lost_last.at if lost_last else None,
    )


def _approval(requested: Recorded, edited: Recorded | None, decided: Recorded) -> Approval:
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
        elif fact.topic in _ANSWERS and requested is not None:
            yield _approval(requested, edited, fact)


def _metadata(facts: Iterable[Recorded]) -> Json:
    metadata: Json = {}
    for fact in facts:
        if fact.topic in (e.Created.TOPIC, e.Annotated.TOPIC):
            metadata |= fact.facts["metadata"]
    return metadata


def _deadline(facts: Sequence[Recorded]) -> str | None:
    """When the work under way must be done; each time it begins, or goes on, says it anew."""
    deadline: str | None = _said_last(facts, e.Started.TOPIC, e.Denied.TOPIC).get("deadline_at")
    return deadline


def _is_held_back(facts: Sequence[Recorded]) -> bool:
    return bool(_said_last(facts, e.ApprovalRequested.TOPIC).get("held_back"))


def _said_last(facts: Sequence[Recorded], *topics: str) -> Json:
    found = _last(facts, *topics)
    return found.facts if found else {}


def _last(facts: Sequence[Recorded], *topics: str) -> Recorded | None:
    return next((fact for fact in reversed(facts) if fact.topic in topics), None)


_OF_A_REQUEST = frozenset({e.ApprovalRequested.TOPIC, e.Denied.TOPIC})

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
