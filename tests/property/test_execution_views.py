"""Laws of the read model of executions, over whole histories."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from ledger.mapper import Recorded
from ledger.strict_json import encode
from projections import executions
from projections.execution_rows import Row
from projections.execution_tables import executions as table
from projections.execution_tables import payloads
from projections.executions import Executions
from projections.filters import SORTS, Filters, parse_filters
from projections.labels import labels_of
from projections.rebuild import Rebuild
from projections.times import text_of
from tests.read_side import catch_up, everything_in, fresh_views, rows_of
from tests.strategies import WORKSPACES, History, MemoryLog, histories, short_words

VIEWS = [Executions()]


@pytest.mark.both_stores
@given(histories(), st.integers(1, 7), st.lists(st.integers(0, 60), max_size=4))
def test_any_pages_and_any_restarts_end_in_the_rows_of_one_pass(
    events: list[Recorded], page_size: int, stops: list[int]
) -> None:
    with fresh_views() as at_once, fresh_views() as bit_by_bit:
        catch_up(at_once, VIEWS, MemoryLog(events))

        for stop in [*sorted(stops), len(events)]:
            catch_up(bit_by_bit, VIEWS, MemoryLog(events[:stop]), page_size)

        expected = everything_in(at_once, VIEWS)
        assert expected["executions_v1"]
        assert everything_in(bit_by_bit, VIEWS) == expected


@given(histories(), st.integers(1, 50))
def test_a_row_of_the_view_is_the_fold_of_one_execution_alone(
    events: list[Recorded], page_size: int
) -> None:
    with fresh_views() as store:
        catch_up(store, VIEWS, MemoryLog(events), page_size)

        with store.reading() as connection:
            statement = select(table, payloads).join(
                payloads, payloads.c.execution_id == table.c.id
            )
            rows = [dict(row) for row in connection.execute(statement).mappings()]
        for row in rows:
            del row["execution_id"]
        assert {row["id"]: row for row in rows} == rows_of(events)


@given(histories(), st.data())
def test_an_execution_as_it_was_is_what_the_view_showed_then(
    events: list[Recorded], data: st.DataObject
) -> None:
    stop = data.draw(st.integers(2, len(events)))
    seen = events[:stop]
    id_ = data.draw(st.sampled_from([event.id for event in seen if event.topic.startswith("exe")]))
    own = [event for event in seen if event.id == id_]

    with fresh_views() as store:
        catch_up(store, VIEWS, MemoryLog(seen))
        with store.reading() as connection:
            shown = executions.get_execution(connection, own[0].envelope["workspace"], id_)

    del shown["inclusive_cost_usd"]
    assert encode(shown) == encode(executions.as_of(own))


@pytest.mark.both_stores
@given(histories(), st.data())
def test_a_list_is_a_list_comprehension(events: list[Recorded], data: st.DataObject) -> None:
    rows = rows_of(events)
    workspace = data.draw(st.sampled_from(WORKSPACES))
    parameters = data.draw(questions(list(rows.values())))
    filters = parse_filters([*parameters, ("limit", "100")])

    with fresh_views() as store:
        catch_up(store, VIEWS, MemoryLog(events))
        with store.reading() as connection:
            listed = executions.list_executions(connection, workspace, filters)

    expected = [row for row in rows.values() if row["workspace"] == workspace and filters.hold(row)]
    assert [item["id"] for item in listed.items] == [
        row["id"] for row in in_order(expected, filters)
    ]
    assert listed.meta["total"] == len(expected)


def in_order(rows: Sequence[Row], filters: Filters) -> list[Row]:
    key = filters.sort.removeprefix("-")
    with_value = [row for row in rows if row[key] is not None]
    without = [row for row in rows if row[key] is None]
    down = filters.sort.startswith("-")
    with_value.sort(key=lambda row: (row[key], row["id"]), reverse=down)
    without.sort(key=lambda row: str(row["id"]), reverse=down)
    return with_value + without


@st.composite
def questions(draw: st.DrawFn, rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Parameters of a list, most of them with values that some row has."""
    row = draw(st.sampled_from(rows))
    texts = ("agent_id", "user_id", "session_id", "parent_id", "root_id", "trace_id", "error_code")
    known = [(name, row[name]) for name in (*texts, "status", "agent_version_id") if row[name]]
    known += [("status", f"waiting_approval,{row['status']}"), ("user_id", draw(short_words))]
    for column in ("created_at", "completed_at"):
        if row[column] is not None:
            word = column.removesuffix("_at")
            moment = text_of(row[column] + draw(st.integers(-1, 1))) or ""
            known += [(f"{word}_after", moment), (f"{word}_before", moment)]
    for name, column in (("duration_ms", "duration_ms"), ("tokens", "total_tokens")):
        if row[column] is not None:
            known += [(f"min_{name}", str(row[column])), (f"max_{name}", str(row[column]))]
    if row["cost"] is not None:
        cost = f"{row['cost'] / 10**9:.9f}"
        known += [("min_cost", cost), ("max_cost", cost)]
    known += [label for label in labels_of(row["models"], row["metadata"]) if askable(label)]
    sort = draw(st.sampled_from([sign + name for sign in ("", "-") for name in SORTS]))
    return [*draw(st.lists(st.sampled_from(known), max_size=3)), ("sort", sort)]


def askable(label: tuple[str, str]) -> bool:
    """Long and odd keys and values are known by a digest, and are asked for in full."""
    return not any("sha256:" in text for text in label)


@pytest.mark.both_stores
@given(histories(max_executions=8), st.sampled_from(SORTS), st.booleans(), st.integers(1, 3))
def test_pages_by_cursor_have_no_gap_and_no_double_while_new_runs_arrive(
    events: list[Recorded], sort: str, descending: bool, limit: int
) -> None:
    half = len(events) // 2 + 1
    parameters = [("sort", f"-{sort}" if descending else sort), ("limit", str(limit))]
    frozen = {id_ for id_, row in rows_of(events[:half]).items() if row["workspace"] == "acme"}
    frozen &= {id_ for id_ in frozen if all(event.id != id_ for event in events[half:])}
    seen: list[str] = []

    with fresh_views() as store:
        cursor = ""
        for turn in range(len(events)):
            catch_up(store, VIEWS, MemoryLog(events[: half + turn]))
            with store.reading() as connection:
                filters = parse_filters([*parameters, ("cursor", cursor)])
                page = executions.list_executions(connection, "acme", filters)
            seen += [item["id"] for item in page.items]
            cursor = page.meta["next_cursor"]
            assert page.meta["has_more"] == (cursor is not None)
            if cursor is None:
                break

    assert len(seen) == len(set(seen)) or sort != "created_at"
    assert frozen <= set(seen)


@pytest.mark.both_stores
@given(histories(), st.data(), st.integers(1, 9))
def test_a_rebuild_ends_in_the_rows_of_catching_up_while_events_arrive(
    events: list[Recorded], data: st.DataObject, page_size: int
) -> None:
    begun = data.draw(st.integers(1, len(events)))
    log = MemoryLog(events[:begun])

    def grow(_position: int, _end: int) -> None:
        log.events = events[: len(log.events) + 3]

    with fresh_views() as rebuilt, fresh_views() as followed:
        catch_up(rebuilt, VIEWS, log)
        Rebuild(rebuilt, log, VIEWS, page_size=page_size).run(grow)
        catch_up(rebuilt, VIEWS, MemoryLog(events), page_size)
        catch_up(followed, VIEWS, MemoryLog(events), page_size)

        assert everything_in(rebuilt, VIEWS) == everything_in(followed, VIEWS)


def test_page_numbers_reach_every_row_once() -> None:
    history = History()
    for _ in range(45):
        history.now += timedelta(seconds=1)
        history.create()
    seen = []

    with fresh_views() as store:
        catch_up(store, VIEWS, MemoryLog(history.log))
        for number in (1, 2, 3, 4):
            with store.reading() as connection:
                filters = parse_filters([("page", str(number))])
                page = executions.list_executions(connection, "acme", filters)
            seen += [item["id"] for item in page.items]
            assert page.meta["total"] == 45
            assert page.meta["pages"] == page.meta["total_pages"] == 3

    assert seen == [each.id for each in reversed(history.executions)]
