"""What must end by some time, by clocks that are moved by hand."""

from datetime import timedelta

import pytest

from ledger.clock import Clocks, format_time
from ledger.commands import Cancel, Command, Fail
from server.overdue import Overdue
from tests.given import NOON

ID, LEASE = "run-1", "digest"


class Hands:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.overdue = Overdue(
            10, Clocks(lambda: NOON + timedelta(seconds=self.seconds), lambda: self.seconds)
        )

    @property
    def due(self) -> list[Command]:
        return [each.command(LEASE) for each in self.overdue.due()]


@pytest.fixture
def hands() -> Hands:
    return Hands()


def test_work_that_passes_its_deadline_fails(hands: Hands) -> None:
    hands.overdue.must_end(ID, "acme", format_time(NOON + timedelta(seconds=60)))
    hands.seconds = 59.9
    assert hands.due == []

    hands.seconds = 60

    (command,) = hands.due
    assert isinstance(command, Fail)
    assert (command.execution_id, command.error_code, command.lease) == (ID, "timeout", LEASE)


def test_what_is_due_is_due_again_until_it_is_forgotten(hands: Hands) -> None:
    hands.overdue.must_end(ID, "acme", format_time(NOON))
    assert len(hands.due) == len(hands.due) == 1

    hands.overdue.forget(ID)

    assert hands.due == []


def test_no_deadline_passes_while_a_human_is_waited_for(hands: Hands) -> None:
    hands.overdue.must_end(ID, "acme", format_time(NOON))

    hands.overdue.suspend(ID)

    assert hands.due == []


def test_a_cancellation_that_nobody_confirms_is_carried_out_after_its_grace(hands: Hands) -> None:
    hands.overdue.cancelling(ID, "acme", "too dear")
    hands.seconds = 9.9
    assert hands.overdue.is_cancelling(ID)
    assert hands.due == []

    hands.seconds = 10

    assert hands.due == [Cancel(ID, "too dear", confirm=True, lease=LEASE)]


def test_a_cancellation_outlasts_the_wait_for_a_human(hands: Hands) -> None:
    hands.overdue.cancelling(ID, "acme", None)
    hands.overdue.suspend(ID)
    hands.seconds = 10

    assert hands.due == [Cancel(ID, None, confirm=True, lease=LEASE)]


def test_what_came_to_nothing_is_due_no_more_but_what_was_said_since_is(hands: Hands) -> None:
    hands.overdue.must_end(ID, "acme", format_time(NOON))
    hands.overdue.cancelling(ID, "acme", None)
    hands.seconds = 10
    deadline, cancellation = hands.overdue.due()
    hands.overdue.must_end(ID, "acme", format_time(NOON + timedelta(seconds=5)))

    hands.overdue.drop(deadline)
    hands.overdue.drop(cancellation)

    (later,) = hands.due
    assert isinstance(later, Fail)
    assert not hands.overdue.is_cancelling(ID)
