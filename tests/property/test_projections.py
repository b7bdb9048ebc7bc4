"""Laws of every read model, over whole histories."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from ledger.events import Created, Scored, ScoreRemoved, ToolEnded, ToolStarted, UsageRecorded
from ledger.mapper import Recorded
from projections.approval_rows import Approvals, approvals
from projections.catalog import ALL
from projections.scores import Scores, scores
from projections.span_rows import Spans
from projections.span_tables import spans
from tests.read_side import Dump, catch_up, everything_in, fresh_views, rows_of
from tests.strategies import MemoryLog, histories


@pytest.mark.both_stores
@given(histories(), st.integers(1, 7), st.lists(st.integers(0, 60), max_size=4))
def test_any_pages_and_any_restarts_end_in_the_rows_of_one_pass(
    events: list[Recorded], page_size: int, stops: list[int]
) -> None:
    with fresh_views() as at_once, fresh_views() as bit_by_bit:
        catch_up(at_once, ALL, MemoryLog(events))

        for stop in [*sorted(stops), len(events)]:
            catch_up(bit_by_bit, ALL, MemoryLog(events[:stop]), page_size)

        assert counted(everything_in(bit_by_bit, ALL)) == counted(everything_in(at_once, ALL))


def counted(dump: Dump) -> Dump:
    """A count of nothing is the same as no count."""
    return dump | {"execution_counts_v1": {row for row in dump["execution_counts_v1"] if row[-1]}}


@given(histories(max_executions=4, max_acts=40), st.integers(1, 50))
def test_what_is_pending_is_what_some_execution_waits_for(
    events: list[Recorded], page_size: int
) -> None:
    with fresh_views() as store:
        catch_up(store, [Approvals()], MemoryLog(events), page_size)

        with store.reading() as connection:
            statement = select(approvals.c.id).where(approvals.c.status == "pending")
            pending = set(connection.scalars(statement))

        rows = rows_of(events).values()
        assert pending == {row["approval_id"] for row in rows if row["approval_id"]}


@given(histories(max_executions=4, max_acts=40), st.integers(1, 50))
def test_the_scores_are_those_that_were_not_withdrawn(
    events: list[Recorded], page_size: int
) -> None:
    with fresh_views() as store:
        catch_up(store, [Scores()], MemoryLog(events), page_size)

        with store.reading() as connection:
            found = {
                tuple(row) for row in connection.execute(select(scores.c.execution_id, scores.c.id))
            }

        said: set[tuple[str, str]] = set()
        for event in events:
            if event.topic == Scored.TOPIC:
                said.add((event.id, event.facts["score_id"]))
            elif event.topic == ScoreRemoved.TOPIC:
                said.discard((event.id, event.facts["score_id"]))
        assert found == said


@given(histories(max_executions=4, max_acts=40), st.integers(1, 50))
def test_every_execution_and_every_call_is_one_span(events: list[Recorded], page_size: int) -> None:
    with fresh_views() as store:
        catch_up(store, [Spans()], MemoryLog(events), page_size)

        with store.reading() as connection:
            kinds = Counter(connection.scalars(select(spans.c.kind)))

        topics = Counter(event.topic for event in events)
        assert kinds["agent"] == topics[Created.TOPIC]
        assert kinds["llm"] == topics[UsageRecorded.TOPIC]
        assert kinds["tool"] == topics[ToolStarted.TOPIC] + unbegun(events)


def unbegun(events: list[Recorded]) -> int:
    """How many tool calls ended that had not begun; in histories all have the same id."""
    is_open: dict[str, bool] = {}
    count = 0
    for event in events:
        if event.topic == ToolStarted.TOPIC:
            is_open[event.id] = True
        elif event.topic == ToolEnded.TOPIC:
            count += not is_open.get(event.id, False)
            is_open[event.id] = False
    return count
