"""Who the executions on a page are."""

from collections.abc import Sequence

import pytest

from ledger.claims import AgentName
from ledger.mapper import Recorded
from projections.identities import LogReader, identity_of
from tests.strategies import BEGINNING, History, MemoryLog, started


class CountingLog(MemoryLog):
    """Notes whose first events were asked for."""

    def __init__(self, events: Sequence[Recorded]) -> None:
        super().__init__(events)
        self.asked: list[list[str]] = []

    def read_first(self, ids: Sequence[str]) -> list[Recorded]:
        self.asked.append(list(ids))
        return super().read_first(ids)


@pytest.fixture
def history() -> History:
    """Two executions, begun first and started later, and a claim between them."""
    history = History()
    one, two = history.create(user_id="ada"), history.create("umbrella", occurred_at=BEGINNING)
    history.save(AgentName.claim(history.stamp("acme"), "Writer", "agent-1"))
    started(history, one)
    started(history, two)
    return history


def test_what_began_on_the_page_needs_no_other_read(history: History) -> None:
    log = CountingLog(history.log)

    page = LogReader(log).page(0, 100)

    assert list(page.identities) == [each.id for each in history.executions]
    assert page.identities[history.executions[1].id].workspace == "umbrella"
    assert log.asked == []


def test_what_began_earlier_is_read_at_once_and_remembered(history: History) -> None:
    log = CountingLog(history.log)
    reader = LogReader(log)

    first, again = reader.page(3, 100), reader.page(3, 100)

    assert first.identities == again.identities
    assert log.asked == [sorted(each.id for each in history.executions)]


def test_what_was_not_met_lately_is_read_again(history: History) -> None:
    log = CountingLog(history.log)
    reader = LogReader(log, most_known=1)
    one, two = (each.id for each in history.executions)

    for after in (3, 4, 3, 3):
        assert len(reader.page(after, 1).identities) == 1

    assert log.asked == [[one], [two], [one]]


def test_an_execution_whose_beginning_cannot_be_read_is_left_out(history: History) -> None:
    log = MemoryLog(history.log)
    log.events[0] = log.events[0]._replace(state=b"{}\n{}")

    page = LogReader(log).page(0, 100)

    assert list(page.identities) == [history.executions[1].id]


def test_an_identity_is_read_from_the_first_event(history: History) -> None:
    identity = identity_of(history.log[0])

    assert (identity.workspace, identity.user_id, identity.agent_name) == ("acme", "ada", "Writer")
    assert identity.root_execution_id == history.executions[0].id
    assert identity.parent_execution_id is None
