"""Several servers on one PostgreSQL: one folds a view, all see how far it is."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, inspect, select, text

from projections.catch_up import CatchUp
from projections.leases import Terms
from projections.rebuild import Rebuild, RebuildAbandoned
from projections.store import ViewStore
from tests.postgres import fresh_schema
from tests.several import NEVER, leads, let_leases_expire, loop_of, turn_until_done
from tests.strategies import History, MemoryLog, started
from tests.tallies import OtherTally, Tally, TallyAgain


@pytest.fixture
def url() -> Iterator[str]:
    with fresh_schema() as url:
        yield url


@pytest.fixture
def store(url: str) -> Iterator[ViewStore]:
    store = ViewStore.open(url)
    yield store
    store.close()


@pytest.fixture
def history() -> History:
    """Ten executions of two events."""
    history = History()
    for _ in range(10):
        history.now += timedelta(seconds=1)
        started(history, history.create())
    return history


@pytest.fixture
def log(history: History) -> MemoryLog:
    return MemoryLog(history.log)


def grow(log: MemoryLog, history: History) -> None:
    started(history, history.create())
    log.events = list(history.log)


def counted(store: ViewStore, projection: Tally) -> int:
    with store.reading() as connection:
        return connection.scalar(select(func.sum(projection.table.c.events))) or 0


def positions(loop: CatchUp) -> set[int]:
    return {progress.position for progress in loop.progress()}


def test_of_several_servers_one_folds_and_all_see_how_far_it_is(
    store: ViewStore, log: MemoryLog
) -> None:
    tallies = [Tally(), Tally(), Tally()]
    loops = [loop_of(str(n), store, log, tally) for n, tally in enumerate(tallies)]

    turn_until_done(*loops)

    assert [tally.pages for tally in tallies] == [1, 0, 0]
    assert [leads(loop) for loop in loops] == [True, False, False]
    assert [positions(loop) for loop in loops] == [{log.position}] * 3
    assert [loop.ready for loop in loops] == [True] * 3
    assert {loop.progress()[0].state for loop in loops} == {"following"}
    assert counted(store, tallies[0]) == log.position


def test_another_takes_over_when_the_leader_is_heard_of_no_more_and_folds_nothing_twice(
    store: ViewStore, log: MemoryLog, history: History
) -> None:
    killed, heir = Tally(), Tally()
    loop_of("killed", store, log, killed, page_size=7).turn()
    loop = loop_of("heir", store, log, heir, page_size=7)
    turn_until_done(loop)
    assert (leads(loop), counted(store, heir)) == (False, 7)

    let_leases_expire(store)
    turn_until_done(loop)

    assert (leads(loop), killed.pages, heir.pages) == (True, 1, 2)
    assert counted(store, heir) == log.position


def test_a_leader_that_was_paused_beyond_its_lease_cannot_write_and_then_follows(
    store: ViewStore, log: MemoryLog, history: History
) -> None:
    slept, woke = Tally(), Tally()
    paused = loop_of("paused", store, log, slept, renewed_every=NEVER)
    heir = loop_of("heir", store, log, woke)
    turn_until_done(paused)
    let_leases_expire(store)
    turn_until_done(heir)
    grow(log, history)

    assert leads(paused)
    paused.turn()

    assert slept.pages == 1
    assert counted(store, slept) == log.position - 2
    turn_until_done(heir, paused)
    assert (leads(heir), leads(paused), slept.pages) == (True, False, 1)
    assert positions(paused) == {log.position}


def test_a_lease_is_not_taken_from_whoever_is_in_the_middle_of_a_page(
    store: ViewStore, log: MemoryLog
) -> None:
    other = loop_of("other", store, log, Tally())

    def meanwhile() -> None:
        let_leases_expire_but_for_locks(store)
        other.turn()

    slow = Tally(lambda event: meanwhile() if event.position == 1 else None)
    loop = loop_of("slow", store, log, slow)

    turn_until_done(loop)

    assert (leads(loop), leads(other)) == (True, False)
    assert counted(store, slow) == log.position


def let_leases_expire_but_for_locks(store: ViewStore) -> None:
    """What is locked stays; the test is about the one who would take it."""
    with store.engine.begin() as connection:
        connection.execute(text("SET LOCAL lock_timeout = '100ms'"))
        locked = text("SELECT 1 FROM view_leases FOR UPDATE SKIP LOCKED")
        assert connection.execute(locked).all() == []


def test_a_server_that_ends_gives_its_leases_up(store: ViewStore, log: MemoryLog) -> None:
    ending, staying = (loop_of(name, store, log, Tally()) for name in ("ending", "staying"))
    turn_until_done(ending, staying)

    ending.stop()
    turn_until_done(staying)

    assert leads(staying)


def test_who_leads_again_does_so_in_another_epoch(store: ViewStore, log: MemoryLog) -> None:
    first, second = (loop_of(name, store, log, Tally()) for name in ("first", "second"))

    for loop in (first, second, first):
        loop.turn()
        let_leases_expire(store)

    with store.reading() as connection:
        assert connection.scalar(text("SELECT epoch FROM view_leases")) == 3


def test_who_does_not_lead_sees_what_was_parked(store: ViewStore, log: MemoryLog) -> None:
    poisoned = Tally(lambda event: ValueError() if event.position == 3 else None)
    leader, follower = (loop_of(name, store, log, poisoned) for name in ("a", "b"))

    turn_until_done(leader, follower)

    assert [loop.progress()[0].parked for loop in (leader, follower)] == [1, 1]
    assert [loop.progress()[0].state for loop in (leader, follower)] == ["degraded"] * 2


def test_a_rebuild_by_anybody_is_noticed_by_who_leads_and_who_follows(
    store: ViewStore, log: MemoryLog, history: History
) -> None:
    broken = Tally(lambda event: ValueError() if event.position == 3 else None)
    leader, follower, third = (loop_of(name, store, log, broken) for name in ("a", "b", "c"))
    turn_until_done(leader, follower, third)
    broken.fails_at = lambda _: None

    third.rebuild()
    turn_until_done(leader, follower)

    assert [loop.progress()[0].state for loop in (leader, follower)] == ["following"] * 2
    grow(log, history)
    turn_until_done(leader, follower)
    assert leads(leader)
    assert counted(store, broken) == log.position
    assert positions(follower) == {log.position}


def test_of_two_servers_that_rebuild_at_once_one_gives_way(url: str, log: MemoryLog) -> None:
    views = [Tally(), OtherTally()]
    here, there = ViewStore.open(url), ViewStore.open(url)
    abandoned: list[Exception] = []
    barrier = threading.Barrier(2)

    def rebuild(store: ViewStore) -> None:
        barrier.wait(30)
        try:
            Rebuild(store, log, views, page_size=3).run(lambda _position, _end: None)
        except RebuildAbandoned as error:
            abandoned.append(error)

    threads = [threading.Thread(target=rebuild, args=[store]) for store in (here, there)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(abandoned) <= 1
    assert counted(here, views[0]) == counted(here, views[1]) == log.position
    here.close()
    there.close()


def test_a_rebuild_that_waits_for_a_slow_reader_lets_others_read(
    store: ViewStore, log: MemoryLog
) -> None:
    loop, tally = loop_of("a", store, log, Tally()), Tally()
    turn_until_done(loop)
    rebuilding = threading.Thread(target=loop.rebuild)

    with store.reading() as slow:
        assert slow.scalar(select(func.sum(tally.table.c.events))) == log.position
        rebuilding.start()
        for _ in range(20):
            assert counted(store, tally) == log.position
            rebuilding.join(0.1)
        assert rebuilding.is_alive()

    rebuilding.join(60)
    assert not rebuilding.is_alive()
    assert counted(store, tally) == log.position


def test_several_servers_that_start_at_once_on_an_empty_database_all_start(
    url: str, log: MemoryLog
) -> None:
    failures: list[Exception] = []
    barrier = threading.Barrier(4)

    def start(number: int) -> None:
        barrier.wait(30)
        try:
            store = ViewStore.open(url)
            turn_until_done(loop_of(str(number), store, log, Tally(), OtherTally()))
            store.close()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=start, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []


def test_the_views_of_another_version_stay_while_somebody_leads_them(
    store: ViewStore, log: MemoryLog
) -> None:
    older, newer = loop_of("older", store, log, Tally()), loop_of("newer", store, log, TallyAgain())
    turn_until_done(older, newer)
    assert "tally_v1" in inspect(store.engine).get_table_names()

    older.stop()
    newer.turn()

    assert "tally_v1" not in inspect(store.engine).get_table_names()


def test_who_waits_at_a_server_that_does_not_lead_wakes_the_one_that_does(
    url: str, log: MemoryLog, history: History
) -> None:
    """The leader is told of nothing here, and looks by itself once a second at most."""
    stores = [ViewStore.open(url), ViewStore.open(url)]
    leader, follower = (
        loop_of(str(n), store, log, Tally(), renewed_every=NEVER) for n, store in enumerate(stores)
    )
    turn_until_done(leader, follower)
    for loop in (leader, follower):
        loop.start()

    for _ in range(20):
        grow(log, history)
        assert follower.wait_for(log.position, 30)
        assert counted(stores[1], Tally()) == log.position

    for loop in (leader, follower):
        loop.stop()
    for store in stores:
        store.close()


def test_whoever_follows_takes_over_at_once_from_a_server_that_ends(
    url: str, log: MemoryLog, history: History
) -> None:
    stores = [ViewStore.open(url), ViewStore.open(url)]
    ending, staying = (
        CatchUp(store, [Tally()], log, terms=Terms(str(n))) for n, store in enumerate(stores)
    )
    turn_until_done(ending, staying)
    for loop in (ending, staying):
        loop.start()

    ending.stop()
    grow(log, history)

    assert staying.wait_for(log.position, 30)
    assert leads(staying)
    staying.stop()
    for store in stores:
        store.close()
