"""The index of places is written behind the log: nobody can tell by what is read how far it is."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pytest
from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

from ledger.errors import StoreFailed
from ledger.events import Annotated, Thought
from ledger.sqlite import SQLiteStore, open_store
from ledger.store import NO_END
from tests.integration.store_contract import StoreContract, event, run

_MOST = 10


@pytest.fixture(name="file")
def file_fixture(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture(name="store")
def store_fixture(file: Path) -> Iterator[SQLiteStore]:
    store = open_store(file, "normal", most_latest=_MOST)
    yield store
    store.close()


class TestSQLiteStoreThatIndexesOften(StoreContract):
    """It keeps the contract of an event store wherever the index ends."""


def versions(store: SQLiteStore, id_: str, after: int = 0, until: int | None = None) -> list[int]:
    """Of all the events of an aggregate, read in pages."""
    seen: list[int] = []
    while page := store.read_execution(id_, seen[-1] if seen else after, 7, until):
        seen += [each.version for each in page]
    return seen


def indexed(file: Path) -> int:
    """How many places are in the index, by what the file says."""
    with sqlite3.connect(file) as connection:
        (count,) = connection.execute(
            "SELECT SUM(1 + length(more) / 8) FROM event_stretches WHERE originator_id <> ''"
        ).fetchone()
    connection.close()
    found: int = count or 0
    return found


def rows(file: Path) -> int:
    """How many rows of the index there are for that."""
    with closing(sqlite3.connect(file)) as connection:
        count: int
        (count,) = connection.execute(
            "SELECT COUNT(*) FROM event_stretches WHERE originator_id <> ''"
        ).fetchone()
    return count


@contextmanager
def away(file: Path, table: str) -> Iterator[sqlite3.Connection]:
    """Until this is left, a table is called `elsewhere`."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
        yield connection
        connection.execute(f"ALTER TABLE elsewhere RENAME TO {table}")


def crashed(file: Path) -> Path:
    """A copy of the files as a crash now would leave them."""
    copy = file.with_name("crashed.db")
    for suffix in ("", "-wal"):
        shutil.copy(f"{file}{suffix}", f"{copy}{suffix}")
    return copy


def test_the_index_is_written_once_it_lacks_too_many_events(store: SQLiteStore, file: Path) -> None:
    store.insert_events(run("a", _MOST))
    store.insert_events([event("a", _MOST + 1)])
    assert indexed(file) == 0

    store.insert_events([event("a", _MOST + 2)])

    assert indexed(file) == _MOST + 1


def test_a_run_is_read_across_the_end_of_the_index(store: SQLiteStore) -> None:
    store.insert_events(run("a", 15))
    store.insert_events([event("a", 16), event("a", 17), *run("b", 2)])

    assert versions(store, "a") == list(range(1, 18))
    assert versions(store, "a", after=13, until=16) == [14, 15, 16]
    assert versions(store, "a", after=15, until=16) == [16]
    assert versions(store, "a", after=17) == []
    assert store.last_version("a") == 17
    assert store.count("a", Thought.TOPIC) == 16


def test_what_was_so_at_a_position_is_told_across_the_end_of_the_index(store: SQLiteStore) -> None:
    store.insert_events(run("a", 15))
    store.insert_events([event("a", 16), event("b", 1), event("a", 17)])

    assert [store.last_version("a", position) for position in (3, 15, 16, 17, 18, NO_END)] == [
        3,
        15,
        16,
        16,
        17,
        17,
    ]
    counts = [store.count("a", Thought.TOPIC, position) for position in (3, 15, 16, 17, 18)]
    assert counts == [2, 14, 15, 15, 16]


def test_a_closed_ledger_has_all_places_in_its_index(store: SQLiteStore, file: Path) -> None:
    store.insert_events(run("a", 3))

    store.close()

    assert indexed(file) == 3


def test_after_a_crash_what_the_index_lacks_is_read_from_the_log(
    store: SQLiteStore, file: Path
) -> None:
    store.insert_events(run("a", 15))
    store.insert_events([event("a", 16), *run("b", 3)])

    after = open_store(crashed(file), "normal", most_latest=_MOST)

    assert versions(after, "a") == list(range(1, 17))
    assert versions(after, "b") == [1, 2, 3]
    assert list(after.insert_events([event("b", 4)])) == [20]
    after.close()


def test_a_ledger_that_never_had_the_index_gets_one(file: Path) -> None:
    library = SQLiteApplicationRecorder(SQLiteDatastore(str(file), originator_id_type="text"))
    library.create_table()
    library.insert_events([*run("a", 2 * _MOST), *run("b", _MOST + 5)])
    library.datastore.close()

    store = open_store(file, "normal", most_latest=_MOST)

    assert versions(store, "a") == list(range(1, 2 * _MOST + 1))
    assert versions(store, "b") == list(range(1, _MOST + 6))
    with pytest.raises(StoreFailed, match="unique"):
        store.insert_events([event("a", 2 * _MOST)])
    store.close()


def test_an_index_that_was_dropped_is_made_again(store: SQLiteStore, file: Path) -> None:
    store.insert_events(run("a", 25))
    store.close()
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE event_stretches")
    connection.close()

    again = open_store(file, "normal", most_latest=_MOST)

    assert versions(again, "a") == list(range(1, 26))
    again.close()


def test_many_events_of_a_run_are_indexed_by_few_rows(store: SQLiteStore, file: Path) -> None:
    store.insert_events(run("a", 250))
    store.close()

    again = open_store(file, "normal", most_latest=_MOST)

    assert indexed(file) == 250
    assert rows(file) == 3
    assert versions(again, "a") == list(range(1, 251))
    assert versions(again, "a", after=98, until=203) == list(range(99, 204))
    assert again.last_version("a", 150) == 150
    assert again.count("a", Thought.TOPIC, 150) == 149
    again.close()


@pytest.mark.parametrize("most", [0, _MOST, 100])
def test_a_log_from_which_an_event_was_taken_is_still_read(
    store: SQLiteStore, file: Path, most: int
) -> None:
    store.insert_events(run("a", 8))
    store.close()
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM stored_events WHERE originator_version = 5")
        connection.execute("DELETE FROM event_stretches")
    connection.close()

    again = open_store(file, "normal", most_latest=most)

    assert versions(again, "a") == [1, 2, 3, 4, 6, 7, 8]
    assert again.last_version("a") == 8
    again.close()


@pytest.mark.parametrize("version", [24, 25, 27])
def test_an_event_that_is_not_the_next_of_its_aggregate_is_refused(
    store: SQLiteStore, file: Path, version: int
) -> None:
    store.insert_events(run("a", 25))
    with pytest.raises(StoreFailed, match="a goes on with 26"):
        store.insert_events([event("a", version)])
    store.close()
    store = open_store(file, "normal", most_latest=_MOST)

    with pytest.raises(StoreFailed, match="a goes on with 26"):
        store.insert_events([event("a", version)])

    assert store.last_position() == 25
    store.close()


def test_an_event_is_recorded_though_the_index_cannot_be_written(
    store: SQLiteStore, file: Path
) -> None:
    store.insert_events(run("a", 15))

    with away(file, "event_stretches"):
        assert list(store.insert_events([event("a", 16, Annotated.TOPIC)])) == [16]

    assert versions(store, "a") == list(range(1, 17))


def test_events_of_a_commit_that_was_said_to_have_failed_are_found(
    store: SQLiteStore, file: Path
) -> None:
    store.insert_events(run("a", 2))
    with away(file, "stored_events") as connection:
        with pytest.raises(StoreFailed):
            store.insert_events([event("a", 3)])
        connection.execute("INSERT INTO elsewhere VALUES ('a', 3, 'x', x'00')")

    assert list(store.insert_events([event("a", 4)])) == [4]

    assert versions(store, "a") == [1, 2, 3, 4]


def test_a_reader_beside_the_writer_sees_every_event_once_and_in_order(
    store: SQLiteStore,
) -> None:
    store.insert_events(run("a", 1))
    seen: list[list[int]] = []
    counts: list[int] = []

    def read() -> None:
        while not seen or len(seen[-1]) < 600:
            seen.append(versions(store, "a"))
            counts.append(store.count("a", Thought.TOPIC))

    reader = Thread(target=read)
    reader.start()
    for version in range(2, 601):
        store.insert_events([event("a", version)])
    reader.join()

    assert all(each == list(range(1, len(each) + 1)) for each in seen)
    assert all(len(before) <= len(after) for before, after in pairwise(seen))
    assert all(before <= after for before, after in pairwise(counts))
