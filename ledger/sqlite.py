"""The event store on SQLite: one table of events, an index of the facts, and one behind the log.

Rows are never deleted: their rowid is the position, and a deleted one would be given again.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import structlog

from ledger.event import COLUMNS_OF, Storable
from ledger.events import FRAME_TOPICS
from ledger.file_lock import FileLock
from ledger.mapper import Recorded, as_recorded
from ledger.sqlite_connection import Datastore, connect, translated
from ledger.sqlite_places import LAST_STRETCH, MOST_LATEST, SCHEMA, Places, Stretch
from ledger.sqlite_reading import count_indexed, read_execution, read_log, read_sparing
from ledger.store import NO_END, Author, Durability

_MOST_ROWS = 500  # a statement; what is kept compiled of it is some 150 kB
# Not NOT IN: for that SQLite makes a table of the topics, anew for each row that is inserted.
_NOT_A_FRAME = " AND ".join(f"topic <> '{topic}'" for topic in FRAME_TOPICS)

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS stored_events "
    "(originator_id TEXT, originator_version INTEGER, topic TEXT, state BLOB)",
    "DROP INDEX IF EXISTS stored_events_facts_v1",
    "CREATE INDEX IF NOT EXISTS stored_events_facts_v2 ON stored_events "
    f"(originator_id, originator_version) WHERE {_NOT_A_FRAME}",
    *SCHEMA,
)
_FACTS = "stored_events INDEXED BY stored_events_facts_v2"

log = structlog.get_logger()


class SQLiteStore:
    """A `Store` in a file: inserts many rows by each statement, reads plain tuples.

    What the driver says no to is StoreFailed here, once; above, nobody sees the driver's errors.
    """

    def __init__(
        self, path: Path, durability: Durability, lock: FileLock, most_latest: int
    ) -> None:
        self._lock = lock
        self.datastore = Datastore(str(path), durability)
        # Owned by whoever inserts. Not from the pool: readers may use that up, and a pool that
        # cannot open a file for a writer never issues one again.
        self._inserting = connect(str(path), durability)
        try:
            for statement in _SCHEMA:
                self._inserting.execute(statement)
            self._places = Places(self._inserting, most_latest)
            bound = self._inserting.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
            self._most_rows = min(_MOST_ROWS, bound // 4)  # older versions bind 999 values
        except BaseException:
            self._inserting.close()
            self.datastore.close()
            raise
        self._is_behind = False  # the places may be: a commit that failed may have arrived

    def close(self) -> None:
        """Let go of the file."""
        with suppress(sqlite3.Error):  # the next opening does it otherwise
            self._places.settle_all()
        self._inserting.close()
        self.datastore.close()
        self._lock.release()

    def insert_events(
        self, stored_events: Sequence[Storable], author: Author | None = None
    ) -> Sequence[int]:
        """Insert all or nothing; returns the positions. Nobody else inserts, whoever the author.

        What one statement can hold is a transaction by itself. For more the lock is taken at once
        (BEGIN IMMEDIATE): a transaction that reads first and writes later fails without waiting
        when somebody else wrote in between.
        """
        if not stored_events:
            return ()
        with translated("commit"):
            self._settle()
            self._places.check(stored_events)
            try:
                positions = self._insert(stored_events)
            except BaseException:
                self._is_behind = True
                raise
            self._places.add(stored_events, positions)
            return positions

    def _settle(self) -> None:
        """Bring the index nearer to the log; what is to be inserted does not depend on it."""
        if self._is_behind:
            self._places.catch_up()
            self._is_behind = False
        try:
            self._places.settle()
        except sqlite3.Error as error:
            log.warning("places of events not indexed", error=str(error))

    def _insert(self, stored_events: Sequence[Storable]) -> Sequence[int]:
        if len(stored_events) <= self._most_rows:
            return self._insert_rows(stored_events)
        self._inserting.execute("BEGIN IMMEDIATE")
        try:
            positions = self._insert_rows(stored_events)
            self._inserting.execute("COMMIT")
        except BaseException:
            self._inserting.rollback()
            raise
        return positions

    def _insert_rows(self, stored_events: Sequence[Storable]) -> Sequence[int]:
        """Insert many rows by each statement.

        The driver gives the interpreter away for each statement that it runs, and a busy event
        loop then keeps it for a while; so a statement for each row costs the most under load.
        """
        last = 0
        for start in range(0, len(stored_events), self._most_rows):
            rows = stored_events[start : start + self._most_rows]
            cursor = self._inserting.execute(
                "INSERT OR ROLLBACK INTO stored_events VALUES "
                + ",".join(["(?,?,?,?)"] * len(rows)),
                tuple(chain.from_iterable(map(COLUMNS_OF, rows))),
            )
            last = cursor.lastrowid or last
        return range(last - len(stored_events) + 1, last + 1)

    def read_log(self, after: int, limit: int, sparing: Collection[str] = ()) -> list[Recorded]:
        """Events of the whole ledger after a position, in order; see `Store.read_log`.

        Stops early, after at least one event, where the page would pass 16 MiB.
        """
        with self._cursor() as cursor:
            if sparing and (events := read_sparing(cursor, after, limit, sparing)) is not None:
                return events
            return read_log(cursor, after, limit)

    def read_execution(
        self, id_: str, after: int, limit: int, until: int | None = None
    ) -> list[Recorded]:
        """Events of one aggregate after a version, in order, up to `until` if given.

        Stops early, after at least one event, where the page would pass 256 KiB, so that a reader
        costs the same memory whatever a run streamed; and where the index ends.
        """
        last = NO_END if until is None else until
        latest = self._places.latest(id_)  # before the index is asked
        with self._cursor() as cursor:
            return read_execution(cursor, latest, id_, after, limit, last)

    def read_facts(self, id_: str, until: int | None = None) -> list[Recorded]:
        """Events of one aggregate without its frames."""
        upper = NO_END if until is None else until
        return self._read(
            f"SELECT rowid, * FROM {_FACTS} WHERE originator_id = ? "
            f"AND originator_version <= ? AND {_NOT_A_FRAME} ORDER BY originator_version",
            id_,
            upper,
        )

    def read_last(self, id_: str, topics: Collection[str]) -> Recorded | None:
        """The last event of an aggregate with one of these topics, none of them a frame's."""
        marks = ", ".join("?" * len(topics))
        found = self._read(
            f"SELECT rowid, * FROM {_FACTS} WHERE originator_id = ? "
            f"AND topic IN ({marks}) AND {_NOT_A_FRAME} ORDER BY originator_version DESC LIMIT 1",
            id_,
            *topics,
        )
        return found[0] if found else None

    def read_first(self, ids: Sequence[str]) -> list[Recorded]:
        """The first event of each of the aggregates."""
        if not ids:
            return []
        marks = ", ".join("?" * len(ids))
        return self._read(
            f"SELECT rowid, * FROM {_FACTS} WHERE originator_id IN ({marks}) "
            f"AND originator_version = 1 AND {_NOT_A_FRAME}",
            *ids,
        )

    def follow(self, others_inserted: Callable[[], None]) -> None:
        """Nobody else inserts."""

    def last_version(self, id_: str, position: int = NO_END) -> int:
        """The number of events of one aggregate up to a position; 0 when there is none."""
        latest = self._places.latest(id_)
        if latest is not None and latest.positions and latest.positions[0] <= position:
            return latest.last_version(position)
        with self._cursor() as cursor:
            row = cursor.execute(LAST_STRETCH, (id_, position)).fetchone()
        return 0 if row is None else Stretch.of(*row).last_version(position)

    def count(self, id_: str, topic: str, position: int = NO_END) -> int:
        """How many events of a topic one aggregate has up to a position."""
        latest = self._places.latest(id_)
        first = NO_END if latest is None else latest.first
        with self._cursor() as cursor:
            indexed = count_indexed(cursor, id_, topic, first, position)
        if latest is None or not latest.positions:
            return indexed
        return indexed + self._number(
            "SELECT COUNT(*) FROM stored_events WHERE rowid >= ? AND rowid <= ? "
            "AND originator_id = ? AND topic = ?",
            latest.positions[0],
            position,
            id_,
            topic,
        )

    def last_position(self) -> int:
        """The position of the last event recorded; 0 in an empty ledger."""
        return self._number("SELECT MAX(rowid) FROM stored_events")

    def _number(self, statement: str, *parameters: Any) -> int:
        with self._cursor() as cursor:
            cursor.execute(statement, parameters)
            row = cursor.fetchone()
            return row[0] or 0 if row else 0

    def _read(self, statement: str, *parameters: Any) -> list[Recorded]:
        with self._cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(map(as_recorded, cursor.fetchall()))

    @contextmanager
    def _cursor(self) -> Iterator[sqlite3.Cursor]:
        """A cursor of plain tuples; each read is one statement and needs no transaction."""
        with (
            translated("be read"),
            self.datastore.get_connection(commit=False) as connection,
            connection.cursor() as cursor,
        ):
            yield cursor


def open_store(
    path: Path, durability: Durability = "full", *, most_latest: int = MOST_LATEST
) -> SQLiteStore:
    """Open the event store in a file, and make it if there is none.

    Args:
        path: the database file; its folder must exist.
        durability: "full" survives a power cut, "normal" the end of the process only.
        most_latest: how many events the index of places may be behind.

    Raises:
        DatabaseInUse: another process writes to the file.
        StoreFailed: the file is not a database, or cannot be opened.
    """
    lock = FileLock(path)
    lock.acquire()
    try:
        with translated("be opened"):
            return SQLiteStore(path, durability, lock, most_latest)
    except BaseException:
        lock.release()
        raise
