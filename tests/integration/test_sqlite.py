import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from eventsourcing.persistence import StoredEvent

from ledger.errors import DatabaseInUse, LedgerClosed, StoreFailed
from ledger.events import FRAME_TOPICS, Annotated, Created, Thought
from ledger.file_lock import FileLock
from ledger.sqlite import SQLiteStore, open_store

FRAMES = 100_000


@pytest.fixture(name="store")
def store_fixture(tmp_path: Path) -> Iterator[SQLiteStore]:
    store = open_store(tmp_path / "ledger.db", "normal")
    yield store
    store.close()


def event(id_: str, version: int, topic: str = Thought.TOPIC, size: int = 10) -> StoredEvent:
    return StoredEvent(id_, version, topic, b"x" * size)


def run(id_: str, events: int, **facts: int) -> list[StoredEvent]:
    """Events of one aggregate: the first, then frames."""
    first = event(id_, 1, Created.TOPIC)
    return [first, *(event(id_, version, **facts) for version in range(2, events + 1))]  # type: ignore[arg-type] # sizes


def test_positions_are_given_in_the_order_of_insertion(store: SQLiteStore) -> None:
    first = store.insert_events(run("a", 3))
    second = store.insert_events(run("b", 2))

    assert [*first, *second] == [1, 2, 3, 4, 5]
    assert store.last_position() == 5


def test_an_empty_store_has_no_last_position(store: SQLiteStore) -> None:
    assert store.last_position() == 0
    assert store.last_version("a") == 0
    assert store.read_log(0, 10) == []


def test_events_are_inserted_all_or_none(store: SQLiteStore) -> None:
    store.insert_events(run("a", 2))

    with pytest.raises(StoreFailed, match="UNIQUE"):
        store.insert_events([*run("b", 2), event("a", 2)])

    assert [recorded.id for recorded in store.read_log(0, 10)] == ["a", "a"]


def test_a_position_lost_with_a_failed_commit_is_given_again_without_a_gap(
    store: SQLiteStore,
) -> None:
    store.insert_events(run("a", 1))
    with pytest.raises(StoreFailed):
        store.insert_events([*run("b", 2), event("a", 1)])

    assert list(store.insert_events(run("b", 1))) == [2]


def test_the_log_is_read_in_pages(store: SQLiteStore) -> None:
    store.insert_events([*run("a", 3), *run("b", 2)])

    pages = [store.read_log(after, 2) for after in (0, 2, 4, 5)]

    places = [[(each.position, each.id, each.version) for each in page] for page in pages]
    assert places == [
        [(1, "a", 1), (2, "a", 2)],
        [(3, "a", 3), (4, "b", 1)],
        [(5, "b", 2)],
        [],
    ]


def test_an_execution_is_read_after_a_version_and_up_to_one(store: SQLiteStore) -> None:
    store.insert_events([*run("a", 9), *run("b", 9)])

    versions = [each.version for each in store.read_execution("a", 2, 100, until=6)]

    assert versions == [3, 4, 5, 6]


def test_a_page_of_an_execution_is_bounded_in_bytes(store: SQLiteStore) -> None:
    store.insert_events(run("a", 1_000, size=1_000))
    seen: list[int] = []

    while page := store.read_execution("a", len(seen), 1_000_000):
        assert sum(len(each.state) for each in page) < 512 * 1024
        seen.extend(each.version for each in page)

    assert seen == list(range(1, 1_001))


def test_events_larger_than_a_page_are_read_a_few_at_a_time(store: SQLiteStore) -> None:
    store.insert_events(run("a", 20, size=500_000))

    page = store.read_execution("a", 0, 1_000_000)

    assert 1 <= len(page) < 10


def test_a_large_transaction_keeps_its_order(store: SQLiteStore) -> None:
    events = [*run("a", 700), *run("b", 300)]

    positions = store.insert_events(events)

    assert list(positions) == list(range(1, 1_001))
    places = [(each.id, each.version) for each in store.read_log(0, 2_000)]
    assert places == [(each.originator_id, each.originator_version) for each in events]


def test_the_first_event_of_each_aggregate_is_read(store: SQLiteStore) -> None:
    store.insert_events([*run("a", 3), *run("b", 3), *run("c", 3)])

    firsts = store.read_first(["c", "a", "nobody"])

    assert {(each.id, each.version) for each in firsts} == {("a", 1), ("c", 1)}


def test_facts_are_read_without_the_frames_among_them(store: SQLiteStore) -> None:
    frames = [event("a", version, topic) for version, topic in enumerate(FRAME_TOPICS, 2)]
    store.insert_events([event("a", 1, Created.TOPIC), *frames, event("a", 6, Annotated.TOPIC)])

    assert [each.version for each in store.read_facts("a")] == [1, 6]
    assert [each.version for each in store.read_facts("a", until=5)] == [1]
    assert store.last_version("a") == 6


def test_the_last_fact_of_some_topics_is_found(store: SQLiteStore) -> None:
    remarks = [event("a", version, Annotated.TOPIC) for version in (2, 3)]
    store.insert_events([event("a", 1, Created.TOPIC), *remarks, event("a", 4)])

    found = store.read_last("a", {Annotated.TOPIC, Created.TOPIC})

    assert found is not None
    assert found.version == 3
    assert store.read_last("b", {Annotated.TOPIC}) is None


def test_the_facts_of_a_long_run_are_found_without_reading_its_frames(store: SQLiteStore) -> None:
    store.insert_events([*run("a", FRAMES + 1), event("a", FRAMES + 2, Annotated.TOPIC)])
    statements: list[str] = []
    with store.datastore.get_connection(commit=False) as connection:
        connection._sqlite_conn.set_trace_callback(statements.append)  # noqa: SLF001 - no other way

    facts = store.read_facts("a")

    assert [each.version for each in facts] == [1, FRAMES + 2]
    (statement,) = statements
    with store.datastore.get_connection(commit=False) as connection:
        cursor = connection.cursor()
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        plan = [row["detail"] for row in cursor.fetchall()]
    assert plan == [
        "SEARCH stored_events USING INDEX stored_events_facts_v1 "
        "(originator_id=? AND originator_version<?)"
    ]


def test_readers_who_use_up_every_connection_do_not_stop_the_writer(store: SQLiteStore) -> None:
    with ExitStack() as readers:
        for _ in range(32):
            readers.enter_context(store.datastore.get_connection(commit=False))

        assert list(store.insert_events(run("a", 1))) == [1]


def test_a_reader_does_not_wait_for_the_writer_nor_see_half_a_commit(
    store: SQLiteStore, tmp_path: Path
) -> None:
    store.insert_events(run("a", 2))
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO stored_events VALUES ('b', 1, 'x', x'00')")

    seen = [each.id for each in store.read_log(0, 10)]

    other.execute("ROLLBACK")
    other.close()
    assert seen == ["a", "a"]


def test_a_closed_store_is_not_read(store: SQLiteStore) -> None:
    store.close()

    with pytest.raises(LedgerClosed):
        store.read_log(0, 1)


def test_a_database_that_is_not_a_ledger_is_not_opened(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "ledger.db")
    other.execute("CREATE VIEW stored_events AS SELECT 1")
    other.close()

    with pytest.raises(StoreFailed, match="could not be opened"):
        open_store(tmp_path / "ledger.db")


def test_full_durability_is_what_it_says(tmp_path: Path) -> None:
    store = open_store(tmp_path / "ledger.db", "full")
    with store.datastore.get_connection(commit=False) as connection:
        cursor = connection.cursor()
        settings = []
        for name in ("journal_mode", "synchronous"):
            cursor.execute(f"PRAGMA {name}")
            settings.append(cursor.fetchone()[0])
    store.close()

    assert settings == ["wal", 2]


def test_a_lock_is_held_by_one_until_it_is_released(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "ledger.db"), FileLock(tmp_path / "ledger.db")
    first.acquire()
    with pytest.raises(DatabaseInUse):
        second.acquire()

    first.release()

    second.acquire()
    second.release()


def test_releasing_a_lock_that_was_never_taken_does_nothing(tmp_path: Path) -> None:
    FileLock(tmp_path / "ledger.db").release()
