"""Leases: whose an execution is, and for how long."""

from datetime import timedelta

import pytest

from ledger.clock import Clocks
from server.leases import Leases, digest_of_token
from tests.given import NOON

ID, LEASE = "run-1", digest_of_token("secret")


class Hands:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.leases = Leases(
            30, Clocks(lambda: NOON + timedelta(seconds=self.seconds), lambda: self.seconds)
        )

    @property
    def overdue(self) -> list[str]:
        return [lease.execution_id for lease in self.leases.overdue()]


@pytest.fixture
def granted() -> Hands:
    hands = Hands()
    hands.leases.grant(ID, "acme", LEASE)
    return hands


def test_a_lease_runs_out_after_its_time(granted: Hands) -> None:
    granted.seconds = 29.9
    assert granted.overdue == []

    granted.seconds = 30
    assert granted.overdue == [ID]


def test_a_worker_that_is_heard_of_has_its_whole_time_again(granted: Hands) -> None:
    granted.seconds = 29
    granted.leases.heard(ID, LEASE)
    granted.seconds = 58

    assert granted.overdue == []
    granted.seconds = 59
    (lease,) = granted.leases.overdue()
    assert lease.heard_at == NOON + timedelta(seconds=29)


@pytest.mark.parametrize("digest", [None, digest_of_token("another")])
def test_nobody_else_is_heard(granted: Hands, digest: str | None) -> None:
    granted.seconds = 29
    assert not granted.leases.heard(ID, digest)
    granted.seconds = 30

    assert granted.overdue == [ID]


def test_a_lease_does_not_run_out_while_a_human_is_waited_for(granted: Hands) -> None:
    granted.leases.park(ID)
    assert granted.leases.heard(ID, LEASE)
    granted.seconds = 10_000

    assert granted.overdue == []
    assert granted.leases.heard(ID, LEASE)


def test_after_the_answer_the_worker_has_one_lease_to_come_back(granted: Hands) -> None:
    granted.leases.park(ID)
    granted.seconds = 100
    assert granted.leases.unpark(ID, resuming=True)
    granted.seconds = 129
    assert granted.overdue == []

    granted.seconds = 130

    (lease,) = granted.leases.overdue()
    assert lease.resuming


def test_after_the_answer_nobody_waits_for_a_worker_that_let_go(granted: Hands) -> None:
    granted.leases.park(ID)
    granted.leases.let_go(ID)

    assert not granted.leases.unpark(ID, resuming=True)
    granted.seconds = 10_000
    assert granted.overdue == []


def test_a_worker_that_let_go_and_is_heard_of_is_waited_for(granted: Hands) -> None:
    granted.leases.park(ID)
    granted.leases.let_go(ID)
    granted.leases.let_go("another")

    assert granted.leases.heard(ID, LEASE)

    assert granted.leases.unpark(ID, resuming=True)


def test_what_another_server_heard_gives_the_rest_of_a_leases_time(granted: Hands) -> None:
    (granted.seconds, lease) = (28, granted.leases.of(ID))
    assert lease is not None
    granted.leases.heard_elsewhere(lease, 8)
    granted.leases.heard_elsewhere(lease, 20)
    granted.seconds = 49
    assert granted.overdue == []

    granted.seconds = 50

    assert granted.overdue == [ID]
    assert lease.heard_at == NOON + timedelta(seconds=20)


def test_a_lease_is_dropped_unless_there_is_a_later_one(granted: Hands) -> None:
    granted.seconds = 30
    (first,) = granted.leases.overdue()
    granted.leases.grant(ID, "acme", digest_of_token("later"))

    granted.leases.drop(first)
    assert len(granted.leases) == 1

    granted.seconds = 60
    granted.leases.drop(granted.leases.overdue()[0])
    assert len(granted.leases) == 0


def test_a_later_lease_takes_the_place_of_the_one_before(granted: Hands) -> None:
    later = digest_of_token("later")
    granted.leases.grant(ID, "acme", later)

    assert granted.leases.heard(ID, later)
    assert not granted.leases.heard(ID, LEASE)


def test_what_is_over_is_under_no_lease(granted: Hands) -> None:
    granted.leases.end(ID)
    granted.leases.end(ID)
    granted.seconds = 30

    assert granted.overdue == []
    assert granted.leases.digest_of(ID) is None
    assert not granted.leases.unpark(ID, resuming=True)
    granted.leases.park(ID)
    assert len(granted.leases) == 0
