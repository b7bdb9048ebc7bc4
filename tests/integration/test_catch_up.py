"""The loop that keeps views up with the log, on real files."""

import asyncio
import threading
from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, inspect, select
from sqlalchemy.event import listen, remove
from sqlalchemy.exc import OperationalError

from ledger import commands as c
from ledger.application import Ledger
from ledger.event import Actor
from ledger.mapper import Recorded
from ledger.orders import Caller
from projections import executions
from projections.catch_up import CatchUp
from projections.executions import Executions
from projections.follower import ATTEMPTS
from projections.projection import Projection
from projections.store import ViewStore
from tests.stores import database_in
from tests.strategies import BEGINNING, History, MemoryLog, started
from tests.tallies import OtherTally, Tally, TallyAgain

pytestmark = pytest.mark.both_stores

CALLER = Caller("acme", Actor(type="user", id="key-1", auth="api_key"))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(database_in(tmp_path), durability="normal") as ledger:
        yield ledger


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ViewStore]:
    store = ViewStore.open(database_in(tmp_path, "views.db"))
    yield store
    store.close()


@pytest.fixture
def log() -> MemoryLog:
    """Ten executions of two events."""
    history = History()
    for _ in range(10):
        history.now += timedelta(seconds=1)
        started(history, history.create())
    return MemoryLog(history.log)


def follow(ledger: Ledger, store: ViewStore, *projections: Projection) -> CatchUp:
    catch_up = CatchUp(store, projections, ledger)
    ledger.subscribe(lambda recorded: catch_up.wake(recorded[-1].position))
    return catch_up


def record_run(ledger: Ledger, agent: str = "Writer") -> int:
    """Record a run of three events; returns the position of the last."""
    made = ledger.record(c.CreateExecution(mode="record", input={}, agent_name=agent), CALLER)
    ledger.record(c.Start(made.id, "worker-1"), CALLER)
    return ledger.record(c.Complete(made.id, {"answer": 42}), CALLER).position


def counted(store: ViewStore, projection: Tally) -> int:
    with store.reading() as connection:
        return connection.scalar(select(func.sum(projection.table.c.events))) or 0


def turn_until_done(catch_up: CatchUp) -> None:
    while catch_up.turn():
        pass


def at(*positions: int) -> Callable[[Recorded], Exception | None]:
    return lambda event: ValueError("poison") if event.position in positions else None


def test_what_was_recorded_is_in_the_view_once_one_waited_for_it(
    ledger: Ledger, store: ViewStore
) -> None:
    catch_up = follow(ledger, store, Executions())
    catch_up.start()

    for number in range(20):
        assert catch_up.wait_for(record_run(ledger), 30, "executions")
        with store.reading() as connection:
            page = executions.list_executions(connection, "acme", executions.Filters())
        assert page.items[0]["status"] == "completed"
        assert page.meta["total"] == number + 1

    catch_up.stop()


async def test_tasks_wait_without_threads(ledger: Ledger, store: ViewStore) -> None:
    catch_up = follow(ledger, store, Tally())
    threads = threading.active_count()
    target = ledger.position + 4
    waiting = [asyncio.ensure_future(catch_up.reached(target, 30)) for _ in range(1_000)]
    await asyncio.sleep(0)

    assert threading.active_count() == threads
    catch_up.start()
    await asyncio.to_thread(record_run, ledger)

    assert await asyncio.gather(*waiting) == [True] * 1_000
    catch_up.stop()


def test_an_event_that_a_projection_fails_at_is_parked_and_the_others_are_folded(
    store: ViewStore, log: MemoryLog
) -> None:
    poisoned, healthy = Tally(at(7, 13)), OtherTally()
    catch_up = CatchUp(store, [poisoned, healthy], log, page_size=6)

    turn_until_done(catch_up)

    assert counted(store, poisoned) == log.position - 2
    assert counted(store, healthy) == log.position
    assert [event.position for event in catch_up.parked()] == [7, 13]
    assert [event.error for event in catch_up.parked()] == ["ValueError: poison"] * 2
    states = {progress.name: progress.state for progress in catch_up.progress()}
    assert states == {"tally": "degraded", "other": "following"}
    assert [progress.parked for progress in catch_up.progress()] == [2, 0]


def test_an_event_is_parked_only_after_it_was_tried_again(store: ViewStore, log: MemoryLog) -> None:
    failures = iter([ValueError("bad moment")] * (ATTEMPTS - 1))
    hesitant = Tally(lambda event: next(failures, None) if event.position == 5 else None)
    catch_up = CatchUp(store, [hesitant], log)

    turn_until_done(catch_up)

    assert catch_up.parked() == []
    assert counted(store, hesitant) == log.position
    assert catch_up.progress()[0].state == "following"


def test_one_projection_in_trouble_holds_up_no_other(store: ViewStore, log: MemoryLog) -> None:
    stuck = Tally(lambda _: OperationalError("INSERT", None, Exception("disk is full")))
    healthy = OtherTally()
    catch_up = CatchUp(store, [stuck, healthy], log, page_size=3)

    turn_until_done(catch_up)

    tally, other = catch_up.progress()
    assert (tally.state, tally.position, tally.lag_events) == ("stalled", 0, log.position)
    assert "disk is full" in (tally.error or "")
    assert (other.state, other.position, other.lag_events) == ("following", log.position, 0)
    assert catch_up.parked() == []


def test_a_projection_goes_on_when_the_store_is_back(store: ViewStore, log: MemoryLog) -> None:
    faults = iter([OperationalError("INSERT", None, Exception("locked"))])
    shaken = Tally(lambda _: next(faults, None))
    catch_up = CatchUp(store, [shaken], log)

    turn_until_done(catch_up)
    assert catch_up.progress()[0].state == "stalled"
    turn_until_done(catch_up)

    assert catch_up.progress()[0].state == "following"
    assert counted(store, shaken) == log.position


def test_all_projections_stand_while_no_page_can_be_saved(store: ViewStore, log: MemoryLog) -> None:
    catch_up = CatchUp(store, [Tally(), OtherTally()], log, page_size=3)
    catch_up.turn()

    def refuse(_: Connection) -> None:
        statement = "COMMIT"
        raise OperationalError(statement, None, Exception("disk is full"))

    listen(store.engine, "commit", refuse)
    with pytest.raises(OperationalError):
        catch_up.turn()
    remove(store.engine, "commit", refuse)
    stalled = catch_up.progress()
    turn_until_done(catch_up)

    assert [each.state for each in stalled] == ["stalled", "stalled"]
    assert all("disk is full" in (each.error or "") for each in stalled)
    assert [each.state for each in catch_up.progress()] == ["following", "following"]


def test_lag_is_told_in_events_and_seconds(store: ViewStore, log: MemoryLog) -> None:
    now = BEGINNING + timedelta(seconds=61)
    catch_up = CatchUp(store, [Tally()], log, clock=lambda: now, page_size=2)

    catch_up.turn()

    (progress,) = catch_up.progress()
    assert progress.state == "catching_up"
    assert (progress.position, progress.lag_events) == (2, log.position - 2)
    assert progress.lag_seconds == 59.0


def test_it_is_ready_when_all_that_was_recorded_before_is_folded(
    store: ViewStore, log: MemoryLog
) -> None:
    catch_up = CatchUp(store, [Tally()], log, page_size=19)

    assert not catch_up.ready
    catch_up.turn()
    assert not catch_up.ready
    catch_up.turn()

    assert catch_up.ready


def test_a_restart_goes_on_where_it_stopped(store: ViewStore, log: MemoryLog) -> None:
    first, second = Tally(), Tally()
    CatchUp(store, [first], log, page_size=15).turn()

    turn_until_done(CatchUp(store, [second], log))

    assert (first.pages, second.pages) == (1, 1)
    assert counted(store, second) == log.position


def test_a_new_version_is_built_beside_the_old_which_goes_once_it_is_caught_up(
    store: ViewStore, log: MemoryLog
) -> None:
    turn_until_done(CatchUp(store, [Tally(), OtherTally()], log))
    newer = TallyAgain()
    catch_up = CatchUp(store, [newer, OtherTally()], log, page_size=15)

    catch_up.turn()
    assert not catch_up.ready
    assert counted(store, Tally()) == log.position
    turn_until_done(catch_up)

    assert catch_up.ready
    assert counted(store, newer) == log.position
    assert "tally_v1" not in inspect(store.engine).get_table_names()


def test_a_view_of_another_log_is_built_anew(store: ViewStore, log: MemoryLog) -> None:
    tally = Tally()
    turn_until_done(CatchUp(store, [tally], log))
    history = History()
    for _ in range(30):
        history.create()

    turn_until_done(CatchUp(store, [tally], MemoryLog(history.log)))

    assert counted(store, tally) == 30


def test_a_view_that_is_ahead_of_the_log_is_built_anew(store: ViewStore, log: MemoryLog) -> None:
    tally = Tally()
    turn_until_done(CatchUp(store, [tally], log))

    shorter = MemoryLog(log.events[:4])
    turn_until_done(CatchUp(store, [tally], shorter))

    assert counted(store, tally) == 4


def test_the_loop_outlives_a_log_that_cannot_be_read(store: ViewStore, log: MemoryLog) -> None:
    class Flickering(MemoryLog):
        reads = 0

        def read_log(self, after: int, limit: int, sparing: Collection[str] = ()) -> list[Recorded]:
            self.reads += 1
            if self.reads == 2:
                message = "the disk is away"
                raise OSError(message)
            return super().read_log(after, limit, sparing)

    tally = Tally()
    catch_up = CatchUp(store, [tally], Flickering(log.events), page_size=10)
    catch_up.start()
    catch_up.wake(log.position)

    assert catch_up.wait_for(log.position, 30)
    catch_up.stop()
    assert counted(store, tally) == log.position


def test_stopping_ends_the_thread_and_is_quick(store: ViewStore, log: MemoryLog) -> None:
    catch_up = CatchUp(store, [Tally()], log)
    catch_up.start()
    assert "catch-up" in {thread.name for thread in threading.enumerate()}

    catch_up.stop()

    assert "catch-up" not in {thread.name for thread in threading.enumerate()}


def test_many_threads_read_while_the_loop_writes(ledger: Ledger, store: ViewStore) -> None:
    catch_up = follow(ledger, store, Executions())
    catch_up.start()
    errors: list[Exception] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                with store.reading() as connection:
                    page = executions.list_executions(connection, "acme", executions.Filters())
                    assert page.meta["total"] >= len(page.items)
        except Exception as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(6)]
    for reader in readers:
        reader.start()
    position = 0
    for _ in range(30):
        position = record_run(ledger)
    assert catch_up.wait_for(position, 30)
    done.set()
    for reader in readers:
        reader.join()

    catch_up.stop()
    assert errors == []
