from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger import commands as c
from ledger.approval_policy import ApprovalPolicy
from ledger.digest import digest_of
from ledger.errors import (
    AlreadyDecided,
    IllegalTransition,
    InvalidPolicy,
    RoleRequired,
    SamePerson,
)
from ledger.role import Role
from ledger.strict_json import decode
from ledger.unit import Policy
from tests.given import ACTOR, NOON
from tests.recording import Recording, recording, topics

POLICY = Policy(approval_ttl=timedelta(hours=1))
GRACE = ACTOR.model_copy(update={"id": "key-2", "name": "Grace"})


@pytest.fixture(name="open_")
def open_fixture(tmp_path: Path) -> Iterator[Recording]:
    with recording(tmp_path, policy=POLICY) as open_:
        yield open_


@pytest.fixture(name="agent_id")
def agent_fixture(open_: Recording) -> str:
    return open_.do(c.RegisterAgent("Writer")).id


def version(**facts: Any) -> dict[str, Any]:
    return {"version": "1.0", "config": {}, "input_schema": {}, "given": {}, **facts}


def held_back(open_: Recording, agent_id: str, **config: Any) -> str:
    """A running execution whose version wants its output held back."""
    facts = version(config={"approval_required": True, **config})
    open_.do(c.AddVersion(agent_id, facts))
    return open_.running(agent_id=agent_id)


# Completing


def test_an_output_is_held_back_for_approval_and_released_by_it(
    open_: Recording, agent_id: str
) -> None:
    id_ = held_back(open_, agent_id, checkpoint_name="publish")

    parked = open_.do(c.Complete(id_, decode(b'{"price":1.10}')))
    released = open_.do(c.Decide(id_, approve=True))

    assert topics(parked) == ["execution.approval_requested.v1"]
    assert parked.events[-1].facts["checkpoint_name"] == "publish"
    assert topics(released) == ["execution.approved.v1", "execution.completed.v1"]
    assert released.subject == parked.subject
    assert b'"output":{"price":1.10}' in released.events[-1].payload


def test_an_output_held_back_survives_a_restart_with_every_digit(tmp_path: Path) -> None:
    with recording(tmp_path) as open_:
        agent_id = open_.do(c.RegisterAgent("Writer")).id
        id_ = held_back(open_, agent_id)
        open_.do(c.Complete(id_, decode(b'{"price":1.10}')))

    with recording(tmp_path) as again:
        released = again.do(c.Decide(id_, approve=True))

    assert b'"output":{"price":1.10}' in released.events[-1].payload


def test_a_number_that_no_double_holds_is_read_again_after_a_restart(tmp_path: Path) -> None:
    with recording(tmp_path) as open_:
        id_ = open_.pending(input=decode(b'{"large":1e400}'))

    with recording(tmp_path) as again:
        assert again.do(c.Start(id_, "worker-1")).version == 2
        assert str(again.log()[2].facts["input"]["large"]) == "1e400"


def test_a_yes_at_another_checkpoint_does_not_release_the_output(
    open_: Recording, agent_id: str
) -> None:
    id_ = held_back(open_, agent_id)
    open_.do(c.RequestApproval(id_, "deploy", {}))
    open_.do(c.Decide(id_, approve=True))

    with pytest.raises(IllegalTransition):
        open_.do(c.Complete(id_, {"answer": 42}))

    open_.do(c.Start(id_, "worker-1"))
    assert topics(open_.do(c.Complete(id_, {}))) == ["execution.approval_requested.v1"]


def test_without_a_checkpoint_a_yes_may_be_followed_by_the_output(open_: Recording) -> None:
    id_ = open_.running()
    open_.do(c.RequestApproval(id_, "deploy", {}))
    open_.do(c.Decide(id_, approve=True))

    assert topics(open_.do(c.Complete(id_, {}))) == ["execution.completed.v1"]


@pytest.mark.parametrize(
    ("config", "checkpoint"),
    [
        ({"checkpoint_name": "a", "approval_checkpoint_name": "b"}, "a"),
        ({"approval_checkpoint_name": "b"}, "b"),
        ({}, "output"),
    ],
)
def test_the_checkpoint_has_the_name_that_the_version_gives_it(
    open_: Recording, agent_id: str, config: dict[str, str], checkpoint: str
) -> None:
    id_ = held_back(open_, agent_id, **config)

    parked = open_.do(c.Complete(id_, {}))

    assert parked.events[-1].facts["checkpoint_name"] == checkpoint


def test_completing_what_ended_is_refused(open_: Recording, agent_id: str) -> None:
    id_ = held_back(open_, agent_id)
    open_.do(c.Cancel(id_, confirm=True))

    with pytest.raises(IllegalTransition) as refusal:
        open_.do(c.Complete(id_, {}))

    assert refusal.value.details["event"] == "completed"


POLICY_OF_VERSION = {"required_role": "operator", "not_requester": True, "on_reject": "resume"}


def test_work_held_back_is_asked_about_as_the_versions_policy_says(
    open_: Recording, agent_id: str
) -> None:
    given = {"approval_policy": {**POLICY_OF_VERSION, "expires_in_s": 60}}
    open_.do(c.AddVersion(agent_id, version(config={"approval_required": True}, given=given)))
    id_ = open_.running(agent_id=agent_id)

    asked = open_.do(c.Complete(id_, {})).events[-1].facts

    assert {name: asked[name] for name in POLICY_OF_VERSION} == POLICY_OF_VERSION
    assert asked["expires_at"] == "2026-01-31T12:01:00.000000Z"


def test_a_policy_that_means_nothing_is_refused_with_the_version_it_came_with(
    open_: Recording, agent_id: str
) -> None:
    given = {"approval_policy": {"required_role": "manager"}}

    with pytest.raises(InvalidPolicy):
        open_.do(c.AddVersion(agent_id, version(config={"approval_required": True}, given=given)))


def test_a_policy_of_a_version_that_holds_nothing_back_is_kept_as_given(
    open_: Recording, agent_id: str
) -> None:
    given = {"approval_policy": {"required_role": "manager"}}

    added = open_.do(c.AddVersion(agent_id, version(given=given)))

    assert added.events[0].facts["given"] == given
    assert open_.do(c.CreateExecution(mode="record", input={}, agent_id=agent_id)).version == 1


def test_who_decides_is_known_by_role_from_the_caller(open_: Recording) -> None:
    id_ = open_.running()
    policy = ApprovalPolicy(required_role="operator")
    open_.do(c.RequestApproval(id_, "deploy", {}, policy=policy))

    with pytest.raises(RoleRequired):
        open_.do(c.Decide(id_, approve=True))
    decided = open_.do(c.Decide(id_, approve=True), role=Role.OPERATOR)

    assert decided.events[-1].facts["role"] == "operator"


def test_an_edit_survives_a_restart_with_all_that_its_decision_asks_for(tmp_path: Path) -> None:
    policy = ApprovalPolicy(not_requester=True, on_reject="resume")
    with recording(tmp_path) as open_:
        id_ = open_.running()
        first = open_.do(c.RequestApproval(id_, "pay", {"amount": 120}, policy=policy)).subject
        assert first is not None
        edited = open_.do(c.SupersedeApproval(id_, first, {"amount": 12})).subject

    with recording(tmp_path) as again:
        with pytest.raises(SamePerson):
            again.do(c.Decide(id_, approve=True, approval_id=edited))
        denied = again.do(c.Decide(id_, approve=False, approval_id=edited), actor=GRACE)

    assert topics(denied) == ["execution.denied.v1"]
    assert denied.events[-1].facts["payload_digest"] == digest_of({"amount": 12})


# Approvals


@pytest.mark.parametrize(
    ("asked_for", "expires_at"),
    [
        (None, "2026-01-31T13:00:00.000000Z"),
        (NOON + timedelta(minutes=5), "2026-01-31T12:05:00.000000Z"),
    ],
)
def test_an_approval_expires_as_asked_or_as_the_policy_says(
    open_: Recording, asked_for: Any, expires_at: str
) -> None:
    id_ = open_.running()

    asked = open_.do(c.RequestApproval(id_, "deploy", {}, asked_for))

    assert asked.events[-1].facts["expires_at"] == expires_at


def test_without_a_policy_an_approval_waits_for_ever(tmp_path: Path) -> None:
    with recording(tmp_path) as open_:
        asked = open_.do(c.RequestApproval(open_.running(), "deploy", {}))

    assert "expires_at" not in asked.events[-1].facts


def test_an_approval_nobody_answered_expires_once(open_: Recording) -> None:
    id_ = open_.running()
    approval_id = open_.do(c.RequestApproval(id_, "deploy", {})).subject
    assert approval_id is not None

    expired = open_.do(c.ExpireApproval(id_, approval_id))

    assert topics(expired) == ["execution.approval_expired.v1"]
    with pytest.raises(AlreadyDecided):
        open_.do(c.ExpireApproval(id_, approval_id))


def test_a_decision_for_an_earlier_approval_does_not_count_for_a_later_one(
    open_: Recording,
) -> None:
    id_ = open_.running()
    first = open_.do(c.RequestApproval(id_, "deploy", {})).subject
    open_.do(c.Decide(id_, approve=True))
    open_.do(c.Start(id_, "worker-1"))
    open_.do(c.RequestApproval(id_, "deploy", {}))

    with pytest.raises(AlreadyDecided):
        open_.do(c.Decide(id_, approve=True, approval_id=first))
