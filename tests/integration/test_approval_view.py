from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from ledger.clock import format_time
from ledger.errors import NotFound
from ledger.event import Stamp
from ledger.execution import Execution
from ledger.role import Role
from ledger.status import Status
from projections import approvals
from projections.times import micros
from tests.strategies import BEGINNING
from tests.views import FIRST, Told, ids, telling

pytestmark = pytest.mark.both_stores

Act = Callable[[Execution, Stamp], None]


@pytest.fixture
def told() -> Iterator[Told]:
    with telling() as told:
        yield told


def awaited(execution: Execution) -> str:
    assert execution.approval is not None
    return execution.approval.id


def end(told: Told, execution: Execution, act: Act) -> dict[str, Any]:
    """The request of an execution after an act of somebody a minute later."""
    id_ = awaited(execution)
    told.later(60)
    act(execution, told.by("key-2"))
    told.save(execution)
    found: dict[str, Any] = told.ask(approvals.get_approval, "acme", id_)
    return found


def test_a_request_shows_what_its_human_is_shown(told: Told) -> None:
    expires_at = BEGINNING + timedelta(hours=1)
    execution = told.parked(expires_at=expires_at)

    request = told.ask(approvals.get_approval, "acme", awaited(execution))

    assert request == {
        "id": f"approval-of-{execution.id}",
        "execution_id": execution.id,
        "workspace_id": "acme",
        "agent_id": "agent-1",
        "checkpoint_name": "send",
        "payload": {"to": "ada", "amount": 1.5},
        "payload_digest": "sha256:0",
        "held_back": False,
        "requested_by": "key-1",
        "requested_by_name": None,
        "required_role": None,
        "not_requester": False,
        "on_reject": "end",
        "supersedes": None,
        "superseded_by": None,
        "status": "pending",
        "reason": None,
        "decided_by": None,
        "decided_by_name": None,
        "decided_auth": None,
        "decided_role": None,
        "decided_digest": None,
        "decided_at": None,
        "expires_at": format_time(expires_at),
        "created_at": format_time(BEGINNING),
    }
    assert told.ask(approvals.pending_of, "acme", execution.id) == request


@pytest.mark.parametrize(
    ("act", "status", "reason", "decided_by"),
    [
        (lambda x, s: x.approve(s, awaited(x), "fine"), "approved", "fine", "key-2"),
        (lambda x, s: x.reject(s, awaited(x), None), "rejected", None, "key-2"),
        (lambda x, s: x.expire(s, awaited(x)), "expired", None, None),
        (lambda x, s: x.cancel(s, "late"), "cancelled", "the execution was cancelled: late", None),
        (lambda x, s: x.cancel(s, None), "cancelled", "the execution was cancelled", None),
        (
            lambda x, s: x.fail(s, {"error": "broken", "error_code": "error"}),
            "cancelled",
            "the execution failed: broken",
            None,
        ),
    ],
)
def test_a_request_ends_with_who_decided_and_when(
    told: Told, act: Act, status: str, reason: str | None, decided_by: str | None
) -> None:
    execution = told.parked()

    request = end(told, execution, act)

    assert (request["status"], request["reason"]) == (status, reason)
    assert request["decided_by"] == decided_by
    assert request["decided_at"] == format_time(BEGINNING + timedelta(minutes=1))
    assert told.ask(approvals.pending_of, "acme", execution.id) is None


def test_a_decision_is_shown_with_its_evidence(told: Told) -> None:
    execution = told.parked(required_role="operator")

    request = end(told, execution, lambda x, s: x.approve(s, awaited(x), None, role=Role.ADMIN))

    assert request["required_role"] == "operator"
    assert (request["decided_auth"], request["decided_role"]) == ("api_key", "admin")
    assert request["decided_digest"] == "sha256:0"


@pytest.mark.parametrize(
    ("act", "status", "reason", "decided_by"),
    [
        (lambda x, s: x.reject(s, awaited(x), "no"), "rejected", "no", "key-2"),
        (lambda x, s: x.expire(s, awaited(x)), "expired", "nobody decided in time", None),
    ],
)
def test_a_no_after_which_the_run_goes_on_ends_the_request_all_the_same(
    told: Told, act: Act, status: str, reason: str, decided_by: str | None
) -> None:
    execution = told.parked(on_reject="resume")

    request = end(told, execution, act)

    assert execution.status is Status.RUNNING
    assert (request["status"], request["reason"]) == (status, reason)
    assert (request["on_reject"], request["decided_by"]) == ("resume", decided_by)
    assert told.ask(approvals.pending_of, "acme", execution.id) is None


def test_an_edit_ends_the_request_and_another_one_waits_in_its_place(told: Told) -> None:
    execution = told.parked(not_requester=True)
    new = {"approval_id": "edit", "payload": {"amount": 1}, "payload_digest": "sha256:1"}

    old = end(
        told, execution, lambda x, s: x.supersede(s, awaited(x), new | {"reason": "too much"})
    )

    edited = told.ask(approvals.pending_of, "acme", execution.id)
    assert (old["status"], old["superseded_by"], old["reason"]) == (
        "superseded",
        "edit",
        "too much",
    )
    assert (old["decided_by"], old["decided_at"]) == (None, edited["created_at"])
    assert (edited["id"], edited["supersedes"], edited["requested_by"]) == (
        "edit",
        old["id"],
        "key-2",
    )
    assert (edited["payload"], edited["payload_digest"]) == ({"amount": 1}, "sha256:1")
    assert (edited["checkpoint_name"], edited["not_requester"]) == ("send", True)


def test_the_end_of_an_execution_leaves_decided_requests_as_they_were(told: Told) -> None:
    execution = told.parked()
    id_ = awaited(execution)
    told.do(execution, lambda stamp: execution.approve(stamp, id_, "fine"))
    told.do(execution, lambda stamp: execution.cancel(stamp, "late"))

    request = told.ask(approvals.get_approval, "acme", id_)

    assert (request["status"], request["reason"]) == ("approved", "fine")


def test_requests_are_listed_newest_first_and_by_status(told: Told) -> None:
    first = told.parked()
    told.later(1)
    second = told.parked()
    asked = [awaited(second), awaited(first)]
    told.do(first, lambda stamp: first.reject(stamp, awaited(first), None))

    assert ids(told.ask(approvals.list_approvals, "acme", FIRST)) == asked
    pending = told.ask(approvals.list_approvals, "acme", FIRST, status="pending")
    assert ids(pending) == asked[:1]


def test_what_nobody_answered_in_time_is_due_in_every_workspace(told: Told) -> None:
    soon, later = (BEGINNING + timedelta(seconds=n) for n in (10, 20))
    first = told.parked("umbrella", expires_at=later)
    second = told.parked(expires_at=soon)
    told.parked()
    decided = told.parked(expires_at=soon)
    told.do(decided, lambda stamp: decided.approve(stamp, awaited(decided), None))

    due = told.ask(approvals.due_approvals, micros(soon) - 1)
    then = told.ask(lambda c: [tuple(d) for d in approvals.due_approvals(c, micros(later))])

    assert due == []
    assert then == [
        ["acme", second.id, awaited(second)],
        ["umbrella", first.id, awaited(first)],
    ]


def test_a_request_of_another_workspace_does_not_exist(told: Told) -> None:
    execution = told.parked()

    with pytest.raises(NotFound):
        told.ask(approvals.get_approval, "umbrella", awaited(execution))
    assert told.ask(approvals.list_approvals, "umbrella", FIRST) == []
    assert told.ask(approvals.pending_of, "umbrella", execution.id) is None
