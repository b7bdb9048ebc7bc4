"""The event store on SQLite: the library's recorder, with durability, order and fast reads.

Rows are never deleted: their rowid is the position, and a deleted one would be given again.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

from eventsourcing.persistence import (
    ConnectionPoolClosedError,
    PersistenceError,
)
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
)

from ledger.errors import LedgerClosed, StoreFailed
from ledger.event import Storable
from ledger.events import FRAME_TOPICS
from ledger.file_lock import FileLock
from ledger.mapper import Recorded
from ledger.store import LOG_PAGE_BYTES, NO_END, PAGE_BYTES, Author, Durability

_BUSY_SECONDS = 10
_WAL_PAGES = 8_000  # 32 MiB: a page that many runs touch is then copied back once, not each time
_FIRST_FETCH = 8
_MOST_FETCHED = 1024
_ROWS_INSERTED = 249  # older SQLite versions bind at most 999 values
_COLUMNS_OF = attrgetter("originator_id", "originator_version", "topic", "state")

_STATE_OF = itemgetter(Recorded._fields.index("state"))
_NOT_A_FRAME = "topic NOT IN ({})".format(", ".join(f"'{topic}'" for topic in FRAME_TOPICS))


class _Pool(SQLiteConnectionPool):
    """Connections with the pragmas that durability needs; the library sets the journal mode."""

    def __init__(self, path: str, durability: Durability) -> None:
        super().__init__(db_name=path, lock_timeout=_BUSY_SECONDS, pool_size=8, max_overflow=24)
        self._durability = durability

    def new_connection(self) -> SQLiteConnection:
        """A connection outside the pool, for an owner who closes it."""
        return self._create_connection()

    def _create_connection(self) -> SQLiteConnection:
        connection = super()._create_connection()
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA synchronous={self._durability.upper()}")
        cursor.execute("PRAGMA cache_size=-16384")
        cursor.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES}")
        return connection


class _Datastore(SQLiteDatastore):
    """The library's datastore on our pool, with text ids."""

    def __init__(self, path: str, durability: Durability) -> None:
        super().__init__(path, originator_id_type="text")
        self.pool: _Pool = _Pool(path, durability)


class SQLiteStore(SQLiteApplicationRecorder):
    """A `Store` that inserts in one immediate transaction, and reads plain tuples.

    What the driver says no to is StoreFailed here, once; above, nobody sees the driver's errors.
    """

    def __init__(self, datastore: _Datastore, lock: FileLock) -> None:
        super().__init__(datastore)
        self._lock = lock
        # Owned by whoever inserts. Not from the pool: readers may use that up, and a pool that
        # cannot open a file for a writer never issues one again.
        self._inserting = datastore.pool.new_connection()

    def close(self) -> None:
        """Let go of the file."""
        self._inserting.close()
        self.datastore.close()
        self._lock.release()

    def construct_create_table_statements(self) -> list[str]:
        """Add an index of the facts that decisions need, beside the many frames they do not."""
        table = self.events_table_name
        return [
            *super().construct_create_table_statements(),
            f"CREATE INDEX IF NOT EXISTS {table}_facts_v1 ON {table} "
            f"(originator_id, originator_version) WHERE {_NOT_A_FRAME}",
        ]

    def insert_events(
        self, stored_events: Sequence[Storable], author: Author | None = None, **_: Any
    ) -> Sequence[int]:
        """Insert all or nothing; returns the positions. Nobody else inserts, whoever the author.

        What one statement can hold is a transaction by itself. For more the lock is taken at once
        (BEGIN IMMEDIATE): a transaction that reads first and writes later fails without waiting
        when somebody else wrote in between.
        """
        if not stored_events:
            return ()
        with _translated("commit"), self._inserting.cursor() as cursor:
            if len(stored_events) <= _ROWS_INSERTED:
                return self._insert_events(SQLiteCursor(cursor), stored_events) or []
            try:
                cursor.execute("BEGIN IMMEDIATE")
                positions = self._insert_events(SQLiteCursor(cursor), stored_events)
                cursor.execute("COMMIT")
            except BaseException:
                self._inserting.rollback()
                raise
            return positions or []

    def _insert_events(
        self, c: SQLiteCursor, stored_events: Sequence[Storable], **_: Any
    ) -> Sequence[int] | None:
        """Insert many rows by each statement.

        The driver gives the interpreter away for each statement that it runs, and a busy event
        loop then keeps it for a while; so a statement for each row costs the most under load.
        """
        insert = f"INSERT OR ROLLBACK INTO {self.events_table_name} VALUES "
        for start in range(0, len(stored_events), _ROWS_INSERTED):
            rows = stored_events[start : start + _ROWS_INSERTED]
            c.execute(
                insert + ",".join(["(?,?,?,?)"] * len(rows)),
                tuple(chain.from_iterable(map(_COLUMNS_OF, rows))),
            )
        last: int = c.lastrowid
        return range(last - len(stored_events) + 1, last + 1)

    def read_log(self, after: int, limit: int) -> list[Recorded]:
        """Events of the whole ledger after a position, in order.

        Stops early, after at least one event, where the page would pass 16 MiB.
        """
        statement = "SELECT rowid, * FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?"
        with self._cursor() as cursor:
            cursor.execute(statement.format(table=self.events_table_name), (after, limit))
            return _page(cursor, LOG_PAGE_BYTES)

    def read_execution(
        self, id_: str, after: int, limit: int, until: int | None = None
    ) -> list[Recorded]:
        """Events of one aggregate after a version, in order, up to `until` if given.

        Stops early, after at least one event, where the page would pass 256 KiB, so that a reader
        costs the same memory whatever a run streamed.
        """
        upper = NO_END if until is None else until
        statement = (
            "SELECT rowid, * FROM {table} WHERE originator_id = ? AND originator_version > ? "
            "AND originator_version <= ? ORDER BY originator_version LIMIT ?"
        )
        with self._cursor() as cursor:
            cursor.execute(
                statement.format(table=self.events_table_name), (id_, after, upper, limit)
            )
            return _page(cursor, PAGE_BYTES)

    def read_facts(self, id_: str, until: int | None = None) -> list[Recorded]:
        """Events of one aggregate without its frames."""
        upper = NO_END if until is None else until
        return self._read(
            "SELECT rowid, * FROM {table} INDEXED BY {table}_facts_v1 WHERE originator_id = ? "
            f"AND originator_version <= ? AND {_NOT_A_FRAME} ORDER BY originator_version",
            id_,
            upper,
        )

    def read_last(self, id_: str, topics: Collection[str]) -> Recorded | None:
        """The last event of an aggregate with one of these topics, none of them a frame's."""
        marks = ", ".join("?" * len(topics))
        found = self._read(
            "SELECT rowid, * FROM {table} INDEXED BY {table}_facts_v1 WHERE originator_id = ? "
            f"AND topic IN ({marks}) AND {_NOT_A_FRAME} ORDER BY originator_version DESC LIMIT 1",
            id_,
            *topics,
        )
        return found[0] if found else None

    def read_first(self, ids: Sequence[str]) -> list[Recorded]:
        """The first event of each of the aggregates."""
        marks = ", ".join("?" * len(ids))
        return self._read(
            f"SELECT rowid, * FROM {{table}} WHERE originator_id IN ({marks}) "
            "AND originator_version = 1",
            *ids,
        )

    def follow(self, others_inserted: Callable[[], None]) -> None:
        """Nobody else inserts."""

    def last_version(self, id_: str, position: int = NO_END) -> int:
        """The number of events of one aggregate up to a position; 0 when there is none."""
        return self._number(
            "SELECT originator_version FROM {table} WHERE originator_id = ? AND rowid <= ?"
            " ORDER BY originator_version DESC LIMIT 1",
            id_,
            position,
        )

    def count(self, id_: str, topic: str, position: int = NO_END) -> int:
        """How many events of a topic one aggregate has up to a position."""
        statement = (
            "SELECT COUNT(*) FROM {table} WHERE originator_id = ? AND topic = ? AND rowid <= ?"
        )
        return self._number(statement, id_, topic, position)

    def last_position(self) -> int:
        """The position of the last event recorded; 0 in an empty ledger."""
        return self._number("SELECT MAX(rowid) FROM {table}")

    def _number(self, statement: str, *parameters: Any) -> int:
        with self._cursor() as cursor:
            cursor.execute(statement.format(table=self.events_table_name), parameters)
            row = cursor.fetchone()
            return row[0] or 0 if row else 0

    def _read(self, statement: str, *parameters: Any) -> list[Recorded]:
        with self._cursor() as cursor:
            cursor.execute(statement.format(table=self.events_table_name), parameters)
            return list(map(Recorded._make, cursor.fetchall()))

    @contextmanager
    def _cursor(self) -> Iterator[sqlite3.Cursor]:
        """A cursor of plain tuples; each read is one statement and needs no transaction."""
        with (
            _translated("be read"),
            self.datastore.get_connection(commit=False) as connection,
            connection.cursor() as cursor,
        ):
            cursor.row_factory = None
            yield cursor


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except ConnectionPoolClosedError as error:
        message = "the ledger is closed"
        raise LedgerClosed(message) from error
    except (sqlite3.Error, PersistenceError) as error:
        message = f"the store could not {what} ({error}); nothing was recorded"
        raise StoreFailed(message) from error


def _page(cursor: sqlite3.Cursor, most_bytes: int) -> list[Recorded]:
    """Rows up to so many bytes; fetched in pieces whose size follows that of the rows."""
    page: list[Recorded] = []
    size, fetch = 0, _FIRST_FETCH
    while size < most_bytes and (rows := cursor.fetchmany(fetch)):
        page.extend(map(Recorded._make, rows))
        size += sum(map(len, map(_STATE_OF, rows)))
        fetch = max(1, min(_MOST_FETCHED, (most_bytes - size) * len(page) // size))
    return page


def open_store(path: Path, durability: Durability = "full") -> SQLiteStore:
    """Open the event store in a file, and make it if there is none.

    Args:
        path: the database file; its folder must exist.
        durability: "full" survives a power cut, "normal" the end of the process only.

    Raises:
        DatabaseInUse: another process writes to the file.
        StoreFailed: the file is not a database, or cannot be opened.
    """
    lock = FileLock(path)
    lock.acquire()
    try:
        with _translated("be opened"):
            store = SQLiteStore(_Datastore(str(path), durability), lock)
    except BaseException:
        lock.release()
        raise
    try:
        with _translated("be opened"):
            store.create_table()
    except BaseException:
        store.close()
        raise
    return store
