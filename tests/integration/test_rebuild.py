"""Building views anew while the old ones answer, and comparing them with the log."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, inspect, select, text

from ledger import events as e
from ledger.store import LOG_PAGE_BYTES
from projections import builds
from projections.catch_up import CatchUp
from projections.check import CheckFailed, check
from projections.executions import Executions
from projections.projection import Projection
from projections.rebuild import Rebuild, RebuildAbandoned
from projections.store import ViewStore
from projections.tracking import tracking
from tests.read_side import catch_up, everything_in
from tests.stores import database_in
from tests.strategies import History, MemoryLog, frame, started
from tests.tallies import OtherTally, Tally

pytestmark = pytest.mark.both_stores


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ViewStore]:
    store = ViewStore.open(database_in(tmp_path, "views.db"))
    yield store
    store.close()


@pytest.fixture
def history() -> History:
    """Twenty executions of two events."""
    history = History()
    for number in range(20):
        started(history, history.create(metadata={"number": number}))
    return history


def counted(store: ViewStore, tally: Tally) -> int:
    with store.reading() as connection:
        return connection.scalar(select(func.sum(tally.table.c.events))) or 0


def spoil(store: ViewStore, *statements: str, **values: str) -> None:
    with store.writing() as connection:
        for statement in statements:
            connection.execute(text(statement), values)


def names_in(store: ViewStore) -> set[str]:
    return set(inspect(store.engine).get_table_names()) - {"views_gate", "view_leases"}


def test_a_rebuild_brings_back_what_was_lost(store: ViewStore, history: History) -> None:
    log, tally = MemoryLog(history.log), Tally()
    catch_up(store, [tally], log)
    spoil(store, "DELETE FROM tally_v1")

    Rebuild(store, log, [tally]).run(lambda _position, _end: None)

    assert counted(store, tally) == log.position


def test_queries_read_the_old_tables_until_the_new_ones_are_complete(
    store: ViewStore, history: History
) -> None:
    log, tally = MemoryLog(history.log), Tally()
    catch_up(store, [tally], log)
    spoil(store, "UPDATE tally_v1 SET events = 100")
    seen: list[tuple[int, int, int]] = []

    def look(position: int, end: int) -> None:
        seen.append((position, end, counted(store, tally)))

    Rebuild(store, log, [tally], page_size=25).run(look)

    assert seen == [(25, 40, 2_000), (40, 40, 2_000)]
    assert counted(store, tally) == 40


def positions_of_a_rebuild(store: ViewStore, history: History, view: Projection) -> list[int]:
    positions: list[int] = []
    rebuild = Rebuild(store, MemoryLog(history.log), [view], page_size=10)
    rebuild.run(lambda position, _end: positions.append(position))
    return positions


def streamed(history: History, frames: int, **facts: Any) -> None:
    execution = history.create(**facts)
    started(history, execution)
    text_frames = [frame(e.ContentStreamed, content="a")] * frames
    history.do(execution, lambda stamp: execution.append(stamp, text_frames))


def test_a_page_looks_at_more_events_where_most_are_spared_but_at_three_pages_at_most(
    store: ViewStore, history: History
) -> None:
    history.log.clear()
    streamed(history, 98)

    assert positions_of_a_rebuild(store, history, Executions()) == [10, 40, 70, 100]


def test_a_page_looks_at_no_more_where_nothing_is_spared(
    store: ViewStore, history: History
) -> None:
    assert positions_of_a_rebuild(store, history, Tally()) == [10, 20, 30, 40]


def test_a_page_looks_at_no_more_where_what_is_left_is_large(
    store: ViewStore, history: History
) -> None:
    history.log.clear()
    streamed(history, 28, input={"text": "a" * (LOG_PAGE_BYTES // 2)})

    assert positions_of_a_rebuild(store, history, Executions()) == [10, 20, 30]


def test_the_loop_goes_on_while_views_are_rebuilt_and_after(
    store: ViewStore, history: History
) -> None:
    log, tally, other = MemoryLog(history.log), Tally(), OtherTally()
    loop = CatchUp(store, [tally, other], log, page_size=7)
    loop.start()

    def record(_position: int, _end: int) -> None:
        started(history, history.create())
        log.events = list(history.log)
        loop.wake(log.position)

    for names in ([], ["tally"], ["other"], ["tally", "other"]):
        loop.rebuild(names, record)

    assert loop.wait_for(log.position, 30)
    loop.stop()
    assert counted(store, tally) == counted(store, other) == log.position
    assert names_in(store) == {"tracking", "parked_events", "tally_v1", "other_v1"}


def test_whoever_reads_while_tables_are_swapped_sees_one_state(
    store: ViewStore, history: History
) -> None:
    log, tally = MemoryLog(history.log), Tally()
    catch_up(store, [tally], log)
    rebuilding = threading.Thread(
        target=lambda: Rebuild(store, log, [tally]).run(lambda _position, _end: None)
    )

    with store.reading() as connection:
        connection.execute(select(func.count()).select_from(tracking)).scalar()
        rebuilding.start()
        rebuilding.join(0.3)
        seen = connection.scalar(select(func.sum(tally.table.c.events)))

    rebuilding.join(30)
    assert seen == counted(store, tally) == log.position


def test_a_rebuild_never_shows_less_than_was_shown(store: ViewStore, history: History) -> None:
    log, tally = MemoryLog(history.log[:30]), Tally()
    rebuild = Rebuild(store, log, [tally])
    catch_up(store, [tally], MemoryLog(history.log))

    rebuild.run(lambda _position, _end: log.events.extend(history.log[30:]))

    assert counted(store, tally) == 40


def test_rebuilding_again_and_again_leaves_nothing_behind(
    store: ViewStore, history: History
) -> None:
    log, views = MemoryLog(history.log), [Executions()]
    catch_up(store, views, log)
    before, tables = everything_in(store, views), names_in(store)

    for _ in range(3):
        Rebuild(store, log, views).run(lambda _position, _end: None)

    assert everything_in(store, views) == before
    assert names_in(store) == tables


def test_what_a_killed_rebuild_left_goes_with_the_next(store: ViewStore, history: History) -> None:
    log, tally = MemoryLog(history.log), Tally()
    catch_up(store, [tally], log)
    builds.begin(store, tally)
    assert "tally_v1_b2" in names_in(store)

    Rebuild(store, log, [tally]).run(lambda _position, _end: None)

    assert names_in(store) == {"tracking", "parked_events", "tally_v1"}
    assert counted(store, tally) == 40


def test_of_two_rebuilds_of_a_view_the_first_gives_way(store: ViewStore, history: History) -> None:
    log, tally = MemoryLog(history.log), Tally()
    catch_up(store, [tally], log)
    first = Rebuild(store, log, [tally], page_size=10)

    def interfere(_position: int, _end: int) -> None:
        builds.begin(store, tally)

    with pytest.raises(RebuildAbandoned):
        first.run(interfere)

    assert counted(store, tally) == 40


def test_a_rebuild_forgives_what_the_code_of_today_can_fold(
    store: ViewStore, history: History
) -> None:
    log, broken = (
        MemoryLog(history.log),
        Tally(lambda event: ValueError() if event.position == 3 else None),
    )
    loop = CatchUp(store, [broken], log)
    while loop.turn():
        pass
    assert [event.position for event in loop.parked()] == [3]

    repaired = Tally()
    Rebuild(store, log, [repaired]).run(lambda _position, _end: None)

    again = CatchUp(store, [repaired], log)
    assert again.parked() == []
    assert again.progress()[0].state == "following"
    assert counted(store, repaired) == 40


def test_a_rebuild_parks_what_it_cannot_fold_either(store: ViewStore, history: History) -> None:
    log, broken = (
        MemoryLog(history.log),
        Tally(lambda event: KeyError("x") if event.position == 3 else None),
    )

    Rebuild(store, log, [broken]).run(lambda _position, _end: None)

    loop = CatchUp(store, [broken], log)
    assert [event.position for event in loop.parked()] == [3]
    assert loop.progress()[0].state == "degraded"
    assert counted(store, broken) == 39


def test_only_views_that_exist_can_be_rebuilt(store: ViewStore, history: History) -> None:
    loop = CatchUp(store, [Tally()], MemoryLog(history.log))

    with pytest.raises(KeyError, match="nonsense"):
        loop.rebuild(["nonsense"])


def test_views_that_say_what_the_log_says_differ_in_nothing(
    store: ViewStore, history: History
) -> None:
    views: list[Projection] = [Executions(), Tally()]
    log = MemoryLog(history.log)
    catch_up(store, views, log, page_size=7)
    log.events = log.events[:33] + log.events[33:]

    assert check(store, views, log) == []


def test_a_nul_that_one_database_keeps_and_another_cannot_is_no_difference(
    store: ViewStore, history: History
) -> None:
    broken = started(history, history.create())
    facts = {"error": "line one\0line two", "error_code": "error"}
    history.do(broken, lambda stamp: broken.fail(stamp, facts))
    log, views = MemoryLog(history.log), [Executions()]
    catch_up(store, views, log)

    assert check(store, views, log) == []


def test_a_check_ignores_what_the_views_have_yet_to_take(
    store: ViewStore, history: History
) -> None:
    catch_up(store, [Tally()], MemoryLog(history.log[:11]))

    assert check(store, [Tally(), OtherTally()], MemoryLog(history.log)) == []


def test_a_check_tells_every_row_that_is_changed_missing_or_too_many(
    store: ViewStore, history: History
) -> None:
    log, views = MemoryLog(history.log), [Executions()]
    catch_up(store, views, log)
    first, second = history.executions[0].id, history.executions[1].id
    spoil(
        store,
        "UPDATE executions_v1 SET status = 'failed' WHERE id = :first",
        "DELETE FROM execution_payloads_v1 WHERE execution_id = :second",
        "INSERT INTO execution_counts_v1 VALUES ('nowhere', 'nobody', 'running', 1)",
        first=first,
        second=second,
    )

    changed, missing, surplus = check(store, views, log)

    assert (changed.table, changed.key) == ("executions_v1", (first,))
    assert changed.live is not None
    assert changed.fresh is not None
    assert (changed.live["status"], changed.fresh["status"]) == ("failed", "running")
    assert (missing.key, missing.live) == ((second,), None)
    assert (surplus.key, surplus.fresh) == (("nowhere", "nobody", "running"), None)


def test_a_check_that_cannot_fold_says_so(store: ViewStore, history: History) -> None:
    log = MemoryLog(history.log)
    catch_up(store, [Tally()], log)

    with pytest.raises(CheckFailed, match="tally stopped at position 0: OSError: disk"):
        check(store, [Tally(lambda _: OSError("disk"))], log)
