import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ledger.errors import DatabaseInUse, StoreFailed
from ledger.events import Annotated
from ledger.file_lock import FileLock
from ledger.sqlite import SQLiteStore, open_store
from tests.integration.store_contract import FRAMES, StoreContract, event, run


@pytest.fixture(name="store")
def store_fixture(tmp_path: Path) -> Iterator[SQLiteStore]:
    store = open_store(tmp_path / "ledger.db", "normal")
    yield store
    store.close()


class TestSQLiteStore(StoreContract):
    """SQLite keeps the contract of an event store."""


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
        plan = [detail for *_, detail in cursor.fetchall()]
    assert plan == [
        "SEARCH stored_events USING INDEX stored_events_facts_v2 "
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
