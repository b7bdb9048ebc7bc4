"""Law: the table is whole."""

import inspect

import pytest

from ledger import events as e
from ledger.event import Event
from ledger.lifecycle import LIFECYCLE
from ledger.status import Status
from tests.given import IN_STATUS

FACTS = [
    kind
    for _, kind in inspect.getmembers(e, inspect.isclass)
    if issubclass(kind, Event) and "TOPIC" in kind.__dict__
]
MOVES = {
    source: {row.target for row in LIFECYCLE.values() if row.target and source in row.sources}
    for source in Status
}


def reachable_from(start: Status) -> set[Status]:
    seen: set[Status] = set()
    frontier = {start}
    while frontier:
        seen |= frontier
        frontier = {target for status in frontier for target in MOVES[status]} - seen
    return seen


def test_every_fact_but_the_first_has_exactly_one_row() -> None:
    assert set(LIFECYCLE) == set(FACTS) - {e.Created}


@pytest.mark.parametrize("status", Status)
def test_every_status_is_reached_from_pending(status: Status) -> None:
    assert status in reachable_from(Status.PENDING)


@pytest.mark.parametrize("status", Status)
def test_every_status_can_reach_an_end(status: Status) -> None:
    assert any(end.is_terminal for end in reachable_from(status))


@pytest.mark.parametrize("status", Status)
def test_a_status_is_terminal_exactly_when_the_table_leads_nowhere_from_it(status: Status) -> None:
    assert status.is_terminal == (MOVES[status] == set())


@pytest.mark.parametrize("event", LIFECYCLE, ids=lambda event: event.TYPE)
def test_a_fact_says_the_new_status_exactly_when_it_changes_it(event: type[Event]) -> None:
    assert issubclass(event, e.Transition) == (LIFECYCLE[event].target is not None)


@pytest.mark.parametrize("event", LIFECYCLE, ids=lambda event: event.TYPE)
def test_a_fact_ends_an_execution_exactly_when_its_target_is_terminal(event: type[Event]) -> None:
    target = LIFECYCLE[event].target

    assert issubclass(event, e.Ended) == (target is not None and target.is_terminal)


@pytest.mark.parametrize("status", [status for status in Status if status.is_terminal])
def test_only_remarks_are_recorded_after_the_end(status: Status) -> None:
    allowed = {event for event, row in LIFECYCLE.items() if status in row.sources}

    assert allowed == {e.UsageRepriced, e.Annotated, e.Scored, e.ScoreRemoved}


@pytest.mark.parametrize("status", Status)
def test_the_tests_have_an_execution_in_every_status(status: Status) -> None:
    assert IN_STATUS[status]().status is status
