"""The event store on PostgreSQL: one session writes, one listens, a few others read.

The table is that of the event-sourcing library. Its recorder is not used: ADR 0022 says why. Rows
are never deleted, and positions are given under a lock, so that they follow each other.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import Cursor
from psycopg.sql import SQL, Composed
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from ledger.errors import LedgerClosed, StoreFailed
from ledger.event import Storable
from ledger.events import FRAME_TOPICS
from ledger.mapper import Recorded, as_recorded
from ledger.postgres_connection import PoolerRefused, connect, refuse_transaction_pooler
from ledger.postgres_listening import Listening
from ledger.postgres_reading import COLUMNS, read_execution, read_log, read_sparing
from ledger.postgres_writing import WritingSession
from ledger.store import NO_END, Author, Durability

_READERS: Final = 8
_NOT_A_FRAME: Final = SQL("topic NOT IN ({})").format(SQL(", ").join(sorted(FRAME_TOPICS)))
_TABLES: Final = (
    SQL(
        "CREATE TABLE IF NOT EXISTS stored_events ("
        'originator_id text COLLATE "C" NOT NULL, '
        "originator_version bigint NOT NULL, "
        "topic text NOT NULL, "
        "state bytea NOT NULL, "
        "notification_id bigint NOT NULL, "
        "PRIMARY KEY (originator_id, originator_version))"
    ),
    SQL(
        "CREATE UNIQUE INDEX IF NOT EXISTS stored_events_notification_id_idx"
        " ON stored_events (notification_id)"
    ),
    # The facts that decisions need, beside the many frames they do not.
    SQL(
        "CREATE INDEX IF NOT EXISTS stored_events_facts_v1"
        " ON stored_events (originator_id, originator_version) WHERE {}"
    ).format(_NOT_A_FRAME),
)

_Cursor = Cursor[tuple[Any, ...]]
_Query = SQL | Composed


class PostgresStore:
    """A `Store`. What the driver says no to is StoreFailed here, once; nobody above sees it."""

    def __init__(self, url: str, durability: Durability, *, alone: bool) -> None:
        self._url = url
        self._closed = False
        self._listening: Listening | None = None
        with _translated("be opened"):
            refuse_transaction_pooler(url)
            self._writing = WritingSession(url, durability, alone=alone)
        self._pool = _pool(lambda: connect(url))

    def create_table(self) -> None:
        """Make what is missing."""
        with _translated("be opened"):
            self._writing.execute(*_TABLES)

    def close(self) -> None:
        """Let go of the database, and of the right to write to it."""
        self._closed = True
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()
        self._writing.close()
        self._pool.dispose()

    def insert_events(
        self, stored_events: Sequence[Storable], author: Author | None = None
    ) -> Sequence[int]:
        """Insert all or nothing, durably; returns the positions."""
        with _translated("commit"):
            return self._writing.insert(stored_events, author)

    def follow(self, others_inserted: Callable[[], None]) -> None:
        """Have a function called soon after others inserted, and each second."""
        self._listening = Listening(self._url, self._writing, others_inserted)

    def read_log(self, after: int, limit: int, sparing: Collection[str] = ()) -> list[Recorded]:
        """Events of the whole ledger after a position, in order; see `Store.read_log`."""
        with self._cursor() as cursor:
            if sparing and (events := read_sparing(cursor, after, limit, sparing)) is not None:
                return events
            return read_log(cursor, after, limit)

    def read_execution(
        self, id_: str, after: int, limit: int, until: int | None = None
    ) -> list[Recorded]:
        """Events of one aggregate after a version, in order, up to `until` if given."""
        with self._cursor() as cursor:
            return read_execution(cursor, id_, after, limit, NO_END if until is None else until)

    def read_facts(self, id_: str, until: int | None = None) -> list[Recorded]:
        """Events of one aggregate without its frames, found without reading those."""
        return self._read(
            SQL(
                "WHERE originator_id = %s AND originator_version <= %s AND {}"
                " ORDER BY originator_version"
            ).format(_NOT_A_FRAME),
            id_,
            NO_END if until is None else until,
        )

    def read_last(self, id_: str, topics: Collection[str]) -> Recorded | None:
        """The last event of an aggregate with one of these topics, none of them a frame's."""
        found = self._read(
            SQL(
                "WHERE originator_id = %s AND topic = ANY(%s) AND {}"
                " ORDER BY originator_version DESC LIMIT 1"
            ).format(_NOT_A_FRAME),
            id_,
            list(topics),
        )
        return found[0] if found else None

    def read_first(self, ids: Sequence[str]) -> list[Recorded]:
        """The first event of each of the aggregates, in any order."""
        return self._read(
            SQL("WHERE originator_id = ANY(%s) AND originator_version = 1"), list(ids)
        )

    def last_version(self, id_: str, position: int = NO_END) -> int:
        """The number of events of one aggregate up to a position; 0 when there is none."""
        return self._number(
            SQL(
                "SELECT originator_version FROM stored_events"
                " WHERE originator_id = %s AND notification_id <= %s"
                " ORDER BY originator_version DESC LIMIT 1"
            ),
            id_,
            position,
        )

    def count(self, id_: str, topic: str, position: int = NO_END) -> int:
        """How many events of a topic one aggregate has up to a position."""
        return self._number(
            SQL(
                "SELECT count(*) FROM stored_events"
                " WHERE originator_id = %s AND topic = %s AND notification_id <= %s"
            ),
            id_,
            topic,
            position,
        )

    def last_position(self) -> int:
        """The position of the last event recorded; 0 in an empty ledger."""
        return self._number(SQL("SELECT max(notification_id) FROM stored_events"))

    def _number(self, statement: _Query, *parameters: Any) -> int:
        with self._cursor() as cursor:
            row = cursor.execute(statement, parameters).fetchone()
            return row[0] or 0 if row else 0

    def _read(self, where: _Query, *parameters: Any) -> list[Recorded]:
        return self._rows(SQL("SELECT {} FROM stored_events {}").format(COLUMNS, where), parameters)

    def _rows(self, statement: _Query, parameters: Sequence[Any]) -> list[Recorded]:
        with self._cursor() as cursor:
            cursor.execute(statement, parameters, binary=True)
            return list(map(as_recorded, cursor.fetchall()))

    @contextmanager
    def _cursor(self) -> Iterator[_Cursor]:
        """A cursor for one statement, which needs no transaction."""
        if self._closed:
            raise LedgerClosed("the ledger is closed")
        with _translated("be read"):
            lent = self._pool.connect()
            try:
                connection: Any = lent.driver_connection
                with connection.cursor() as cursor:
                    yield cursor
            finally:
                lent.close()


def _pool(opened: Callable[[], Any]) -> QueuePool:
    """Connections that are tried before they are lent: after a restart all old ones are useless."""
    dialect: Any = PGDialect_psycopg(dbapi=psycopg)  # type: ignore[no-untyped-call] # not typed there
    return QueuePool(
        opened, pool_size=_READERS, max_overflow=0, timeout=10, pre_ping=True, dialect=dialect
    )


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except (psycopg.Error, SQLAlchemyError, PoolerRefused) as error:
        told, *_ = str(error).splitlines() or [type(error).__name__]
        message = f"the store could not {what} ({told}); nothing was recorded"
        raise StoreFailed(message) from error


def open_store(url: str, durability: Durability = "full", *, alone: bool = False) -> PostgresStore:
    """Open the event store at a URL, and make its table if there is none.

    Args:
        url: as libpq takes it; its search_path says in which schema the ledger is.
        durability: "full" survives a crash of the database, "normal" the end of the process only.
        alone: nobody else may have it open.

    Raises:
        DatabaseInUse: another process has it open that must be alone; or any other, if this must.
        StoreFailed: nobody answers there, or it is not a ledger, or a pooler is in between.
    """
    store = PostgresStore(url, durability, alone=alone)
    try:
        store.create_table()
    except BaseException:
        store.close()
        raise
    return store


def exists(url: str) -> bool:
    """Whether there is a ledger at a URL. Raises StoreFailed where nobody answers."""
    with _translated("be opened"), connect(url) as connection:
        row = connection.execute("SELECT to_regclass('stored_events') IS NOT NULL").fetchone()
        return bool(row and row[0])
