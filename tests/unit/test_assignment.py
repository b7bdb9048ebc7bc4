from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger import events as e
from ledger.event import Actor, Stamp, envelope_of
from ledger.mapper import Recorded
from ledger.status import Status
from ledger.strict_json import encode
from server import assignment
from server.assignment import assignment_of

STAMP = Stamp("default", Actor(type="user", id="ada", auth="api_key"), datetime.now(UTC))

CREATED = {
    "status": "pending",
    "mode": "execute",
    "agent_id": "a1",
    "agent_name": "scribe",
    "agent_version_id": "v1",
    "user_id": "",
    "session_id": "",
    "trace_id": "t",
    "root_execution_id": "x",
    "input": {"q": 1},
    "metadata": {"tier": "gold"},
}
STARTED = {"status": "running", "previous": "pending", "worker": "embedded-1", "attempt": 1}
ASKED = {
    "status": "awaiting_approval",
    "previous": "running",
    "approval_id": "p1",
    "checkpoint_name": "pay",
    "payload": {},
    "payload_digest": "sha256:1",
}
APPROVED = {"status": "approved", "previous": "awaiting_approval", "approval_id": "p1"}


def log(*facts: tuple[type[Any], dict[str, Any]], stamp: Stamp = STAMP) -> list[Recorded]:
    envelope = envelope_of(stamp).line()
    return [
        Recorded(number, "x", number, event.TOPIC, envelope + encode(said))
        for number, (event, said) in enumerate(facts, 1)
    ]


def test_a_pending_execution_waits_for_a_worker() -> None:
    seen = assignment_of(log((e.Created, CREATED)))

    assert seen.waits_for_a_worker
    assert (seen.status, seen.attempt, seen.worker) == (Status.PENDING, 0, None)


def test_one_that_a_caller_records_does_not() -> None:
    seen = assignment_of(log((e.Created, CREATED | {"mode": "record"})))

    assert not seen.waits_for_a_worker


def test_an_approved_one_waits_for_a_worker() -> None:
    facts = log(
        (e.Created, CREATED),
        (e.Started, STARTED),
        (e.ApprovalRequested, ASKED),
        (e.Approved, APPROVED),
    )

    assert assignment_of(facts).waits_for_a_worker


@pytest.mark.parametrize(("auth", "expected"), [("in_process", True), ("api_key", False)])
def test_who_took_it_up_is_told_by_the_credentials_not_by_the_name(
    auth: str, expected: bool
) -> None:
    actor = Actor(type="worker", id="embedded-1", auth=auth)
    facts = log((e.Created, CREATED), (e.Started, STARTED), stamp=STAMP._replace(actor=actor))

    seen = assignment_of(facts)

    assert (seen.in_process, seen.taken_up_at) == (expected, 2)


@pytest.mark.parametrize(
    ("held_back", "decided", "expected"),
    [(True, False, True), (True, True, True), (False, False, False), (False, True, False)],
)
def test_work_that_is_held_back_is_done_until_something_follows_the_no(
    held_back: bool, decided: bool, expected: bool
) -> None:
    facts: list[tuple[type[Any], dict[str, Any]]] = [
        (e.Created, CREATED),
        (e.Started, STARTED),
        (e.ApprovalRequested, ASKED | {"held_back": held_back}),
        (e.Denied, APPROVED | {"status": "running"}),
        (e.WorkerLost, {"status": "pending", "previous": "running", "worker": "w", "attempt": 1}),
    ]

    assert assignment_of(log(*facts[: 3 + decided])).held_back is expected
    assert assignment_of(log(*facts)).held_back is False


def test_every_yes_is_known_with_who_said_it() -> None:
    facts = log(
        (e.Created, CREATED),
        (e.Started, STARTED),
        (e.ApprovalRequested, ASKED),
        (e.Approved, APPROVED | {"reason": "fine"}),
    )

    [approval] = assignment_of(facts).approvals

    assert (approval.id, approval.checkpoint, approval.payload_digest) == ("p1", "pay", "sha256:1")
    assert (approval.by, approval.reason) == ("ada", "fine")


def test_a_no_after_which_it_goes_on_is_told_from_a_yes() -> None:
    denied = APPROVED | {"status": "running", "reason": "too much"}
    facts = log(
        (e.Created, CREATED),
        (e.Started, STARTED),
        (e.ApprovalRequested, ASKED),
        (e.Denied, denied),
    )

    seen = assignment_of(facts)

    assert [(each.approved, each.reason) for each in seen.approvals] == [(False, "too much")]
    assert seen.status is Status.RUNNING


def test_a_decision_is_on_the_last_edit_of_what_was_asked() -> None:
    edits = [
        {**ASKED, "approval_id": f"p{n}", "payload": {"n": n}, "payload_digest": f"sha256:{n}"}
        for n in (2, 3)
    ]
    facts = log(
        (e.Created, CREATED),
        (e.Started, STARTED),
        (e.ApprovalRequested, ASKED),
        *((e.ApprovalSuperseded, edit) for edit in edits),
        (e.Approved, APPROVED | {"approval_id": "p3"}),
    )

    [approval] = assignment_of(facts).approvals

    assert (approval.id, approval.payload, approval.payload_digest) == ("p3", {"n": 3}, "sha256:3")
    assert approval.asked_digest == "sha256:1"


def test_metadata_is_what_it_was_annotated_to() -> None:
    facts = log((e.Created, CREATED), (e.Annotated, {"metadata": {"tier": "silver", "new": 1}}))

    assert assignment_of(facts).metadata == {"tier": "silver", "new": 1}


def test_every_fact_that_moves_an_execution_is_looked_at() -> None:
    def moves(base: type[Any]) -> set[str]:
        children = base.__subclasses__()
        own = {base.TOPIC} if "TOPIC" in base.__dict__ else set()
        return own.union(*(moves(child) for child in children))

    assert moves(e.Transition) | {e.Created.TOPIC} == assignment._STATUS_TOPICS  # noqa: SLF001 - the constant is what must be whole


def test_a_lease_is_over_when_its_worker_is_lost() -> None:
    started = {**STARTED, "lease": "digest"}
    lost = {"status": "pending", "previous": "running", "worker": "embedded-1", "attempt": 1}
    facts = log((e.Created, CREATED), (e.Started, started), (e.WorkerLost, lost))

    assert assignment_of(facts[:2]).lease == "digest"
    assert assignment_of(facts).lease is None


def test_only_losses_make_an_execution_wait() -> None:
    created = {**CREATED, "terms": {"retry_backoff_s": 5}}
    lost = {"status": "pending", "previous": "running", "worker": "w", "attempt": 1}
    given_back = {**lost, "excused": True}
    taken, loss, gift = (e.Started, STARTED), (e.WorkerLost, lost), (e.WorkerLost, given_back)

    def pause(*facts: Any) -> float:
        return assignment_of(log((e.Created, created), *facts)).pause_seconds

    assert pause() == 0
    assert pause(taken, gift) == 0
    assert pause(taken, loss) == 5
    assert pause(taken, loss, taken, gift, taken, loss) == 10
    assert pause(taken, loss, taken, gift) == 0


def test_a_pause_is_reckoned_from_the_loss_whoever_reckons() -> None:
    created = {**CREATED, "terms": {"retry_backoff_s": 5}}
    lost = {"status": "pending", "previous": "running", "worker": "w", "attempt": 1}
    seen = assignment_of(log((e.Created, created), (e.Started, STARTED), (e.WorkerLost, lost)))

    left = [seen.pause_left(STAMP.at + timedelta(seconds=after)) for after in (0, 3, 60)]

    assert left == [5, 2, 0]
    assert assignment_of(log((e.Created, created))).pause_left(STAMP.at) == 0
