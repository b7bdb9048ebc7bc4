from typing import Any

import pytest

from ledger import events as e
from ledger.errors import AlreadyDecided, DigestMismatch, InvalidPayload, RoleRequired, SamePerson
from ledger.event import Actor, Stamp
from ledger.execution import Execution
from ledger.role import Role
from ledger.status import Status
from tests.given import (
    ACTOR,
    APPROVAL_ID,
    EDIT_ID,
    NOON,
    STAMP,
    awaiting,
    edit,
    newest,
    recorded,
    settled,
)

GRACE = Stamp("acme", Actor(type="user", id="key-2", auth="api_key", name="Grace"), NOON)


def test_a_decision_says_on_what_it_was_taken_and_in_which_role() -> None:
    execution = awaiting()

    execution.approve(STAMP, APPROVAL_ID, "fine", role=Role.OPERATOR, digest="sha256:0")

    decided = newest(execution)
    assert (decided.payload_digest, decided.role, decided.reason) == (
        "sha256:0",
        Role.OPERATOR,
        "fine",
    )
    assert decided.envelope.stamp.actor == ACTOR


@pytest.mark.parametrize("answer", [Execution.approve, Execution.reject])
def test_a_decision_about_something_else_is_refused(answer: Any) -> None:
    execution = awaiting()

    with pytest.raises(DigestMismatch) as refusal:
        answer(execution, STAMP, APPROVAL_ID, None, digest="sha256:1")

    assert refusal.value.details["payload_digest"] == "sha256:0"
    assert recorded(execution) == []


# Who may decide


@pytest.mark.parametrize(
    ("required", "role"),
    [("operator", None), ("operator", Role.WORKER), ("admin", Role.OPERATOR)],
)
@pytest.mark.parametrize("answer", [Execution.approve, Execution.reject])
def test_a_decision_in_too_low_a_role_is_refused(
    answer: Any, required: str, role: Role | None
) -> None:
    execution = awaiting(required_role=required)

    with pytest.raises(RoleRequired) as refusal:
        answer(execution, GRACE, APPROVAL_ID, None, role=role)

    assert refusal.value.details["required_role"] == required
    assert recorded(execution) == []


@pytest.mark.parametrize(
    ("required", "role"),
    [("operator", Role.OPERATOR), ("operator", Role.ADMIN), ("admin", Role.ADMIN)],
)
def test_a_decision_in_a_role_that_reaches_is_recorded(required: str, role: Role) -> None:
    execution = awaiting(required_role=required)

    execution.approve(GRACE, APPROVAL_ID, None, role=role)

    assert recorded(execution) == [e.Approved]


@pytest.mark.parametrize("answer", [Execution.approve, Execution.reject])
def test_who_asked_for_the_run_does_not_decide_where_four_eyes_are_asked_for(answer: Any) -> None:
    execution = awaiting(not_requester=True)

    with pytest.raises(SamePerson):
        answer(execution, STAMP, APPROVAL_ID, None)

    assert recorded(execution) == []


def test_who_asked_for_the_approval_does_not_decide_where_four_eyes_are_asked_for() -> None:
    execution = settled(awaiting())
    execution.approve(STAMP, APPROVAL_ID, None)
    execution.start(STAMP, "worker-1")
    asked = {"checkpoint_name": "pay", "payload": {}, "payload_digest": "", "not_requester": True}
    execution.request_approval(GRACE, {"approval_id": EDIT_ID, **asked})

    with pytest.raises(SamePerson):
        execution.approve(GRACE, EDIT_ID, None)


def test_somebody_else_decides_where_four_eyes_are_asked_for() -> None:
    execution = awaiting(not_requester=True)

    execution.approve(GRACE, APPROVAL_ID, None)

    assert recorded(execution) == [e.Approved]


# Editing


def test_an_edit_keeps_everything_but_what_is_shown() -> None:
    facts = {"required_role": "admin", "not_requester": True, "on_reject": "resume"}
    execution = awaiting(expires_at=NOON, **facts)

    execution.supersede(GRACE, APPROVAL_ID, edit(reason="too far"))

    edited = newest(execution)
    assert (edited.supersedes, edited.approval_id, edited.reason) == (
        APPROVAL_ID,
        EDIT_ID,
        "too far",
    )
    assert {name: getattr(edited, name) for name in facts} == facts
    assert (edited.checkpoint_name, edited.expires_at, edited.held_back) == ("deploy", NOON, False)
    assert execution.status is Status.AWAITING_APPROVAL


def test_nobody_decides_on_what_was_edited_any_more() -> None:
    execution = awaiting()
    execution.supersede(GRACE, APPROVAL_ID, edit())

    with pytest.raises(AlreadyDecided):
        execution.approve(STAMP, APPROVAL_ID, None)
    with pytest.raises(AlreadyDecided):
        execution.supersede(STAMP, APPROVAL_ID, edit())

    execution.approve(STAMP, EDIT_ID, None, digest="sha256:1")
    assert recorded(execution) == [e.ApprovalSuperseded, e.Approved]


@pytest.mark.parametrize("stamp", [STAMP, GRACE])
def test_neither_who_asked_nor_who_edited_decides_where_four_eyes_are_asked_for(
    stamp: Stamp,
) -> None:
    execution = awaiting(not_requester=True)
    execution.supersede(GRACE, APPROVAL_ID, edit())

    with pytest.raises(SamePerson):
        execution.approve(stamp, EDIT_ID, None)


def test_the_edited_output_is_what_a_yes_completes_the_run_with() -> None:
    execution = awaiting(payload={"output": {"price": 120}}, held_back=True)
    execution.supersede(GRACE, APPROVAL_ID, edit(payload={"output": {"price": 12}}))

    execution.approve(STAMP, EDIT_ID, None)

    assert recorded(execution)[1:] == [e.Approved, e.Completed]
    assert newest(execution).output == {"price": 12}


@pytest.mark.parametrize("payload", [{}, {"output": None}, {"output": [1]}])
def test_an_edit_of_held_back_output_without_an_output_is_refused(payload: Any) -> None:
    execution = awaiting(payload={"output": {"price": 120}}, held_back=True)

    with pytest.raises(InvalidPayload):
        execution.supersede(GRACE, APPROVAL_ID, edit(payload=payload))

    assert recorded(execution) == []


# After a no


def test_a_no_after_which_the_run_goes_on_is_no_end() -> None:
    execution = awaiting(on_reject="resume")

    execution.reject(GRACE, APPROVAL_ID, "too much")

    assert recorded(execution) == [e.Denied]
    assert (newest(execution).status, newest(execution).expired) == (Status.RUNNING, None)
    assert (execution.status, execution.approval) == (Status.RUNNING, None)


def test_an_expiry_after_which_the_run_goes_on_is_a_no_of_nobody() -> None:
    execution = awaiting(on_reject="resume")

    execution.expire(STAMP, APPROVAL_ID)

    denied = newest(execution)
    assert recorded(execution) == [e.Denied]
    assert (denied.expired, denied.reason) == (True, "nobody decided in time")
