"""The one session that writes to a ledger on PostgreSQL, and its way back after a loss.

The right to write is a lock that this session holds and that ends with it. So no process can write
that has lost the right, and whoever takes over need not guess whether the one before is gone.
"""

from collections.abc import Iterator, Sequence
from time import monotonic, sleep
from typing import Any, Final

import psycopg
import structlog
from psycopg import Connection, Cursor
from psycopg.errors import LockNotAvailable, UniqueViolation
from psycopg.sql import SQL, Composed

from ledger.errors import DatabaseInUse, StoreFailed
from ledger.event import Storable
from ledger.postgres_connection import connect
from ledger.store import Durability, OutcomeUnknown

PATIENCE_SECONDS: Final = 30.0
"""How long a commit waits for a database that went away: a restart, or a standby that takes over.

Longer than it takes the server to notice that the session before has lost its client.
"""

_PAUSE_SECONDS: Final = 0.1
_WAIT_TO_OPEN: Final = "2s"
_WAIT_TO_COME_BACK: Final = "20s"
_STATEMENT_BYTES: Final = 4 * 1024 * 1024
_KEY: Final = SQL("(1279607879::bigint << 32 | oid::bigint)")  # "LEDG", and the schema's number
_SCHEMA: Final = SQL("FROM pg_namespace WHERE nspname = current_schema()")
_BEGIN: Final = SQL(
    "BEGIN; LOCK TABLE stored_events IN EXCLUSIVE MODE; "
    "SELECT coalesce(max(notification_id), 0) FROM stored_events"
)
_INSERT: Final = SQL(
    "INSERT INTO stored_events"
    " (originator_id, originator_version, topic, state, notification_id) "
    "SELECT id, version, topic, state, %b + place "
    "FROM unnest(%b::text[], %b::bigint[], %b::text[], %b::bytea[])"
    " WITH ORDINALITY AS given (id, version, topic, state, place)"
)
_DURABILITY: Final[dict[Durability, SQL]] = {
    "full": SQL(
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') = 'off'"
    ),
    "normal": SQL("SET synchronous_commit = off"),
}
_SESSION_IS_OVER: Final = (
    psycopg.errors.AdminShutdown,
    psycopg.errors.CrashShutdown,
    psycopg.errors.CannotConnectNow,
    psycopg.errors.ReadOnlySqlTransaction,  # the server was made a standby
    psycopg.errors.IdleSessionTimeout,
)

log = structlog.get_logger()
_Cursor = Cursor[tuple[Any, ...]]


class _SessionLost(Exception):
    """The session ended before it was known what became of a transaction."""

    def __init__(self, *, committing: bool) -> None:
        super().__init__()
        self.committing = committing


class WritingSession:
    """Inserts events; for one thread."""

    def __init__(self, url: str, durability: Durability) -> None:
        """Take the right to write.

        Raises:
            DatabaseInUse: another server has it.
            StoreFailed: there is no schema to write to.
            psycopg.Error: nobody answers there.
        """
        self._url = url
        self._durability = durability
        self._connection: Connection[tuple[Any, ...]] | None = None
        self._last: int | None = None  # the position that we know to be the last
        self._sent: Sequence[Storable] = ()  # to be committed, and nobody said what became of it
        self._open(_WAIT_TO_OPEN)

    def execute(self, *statements: SQL | Composed) -> None:
        """Make or change tables."""
        assert self._connection is not None
        for statement in statements:
            self._connection.execute(statement, prepare=False)

    def insert(self, events: Sequence[Storable]) -> Sequence[int]:
        """Insert all or nothing; returns the positions.

        A session that is lost is opened again and the events are inserted again; when the commit
        before had arrived after all, they are found to be there.

        Raises:
            DatabaseInUse: another server took over.
            OutcomeUnknown: the database stayed away after a commit was sent.
            psycopg.Error: it refused, or stayed away before; nothing was inserted.
        """
        give_up_at = monotonic() + PATIENCE_SECONDS
        unsure = False
        while True:
            try:
                return self._attempt(events)
            except _SessionLost as lost:
                unsure |= lost.committing
                self.close()
                error: BaseException = lost.__cause__ or lost
            except (DatabaseInUse, psycopg.Error) as refusal:
                error = refusal
            if not self._is_away(error) or monotonic() >= give_up_at:
                if unsure:
                    raise OutcomeUnknown from error
                raise error
            log.warning("the database is away; trying again", error=type(error).__name__)
            sleep(_PAUSE_SECONDS)

    def _is_away(self, error: BaseException) -> bool:
        """Whether there is no session, and there may be one again."""
        return self._connection is None and isinstance(error, psycopg.Error)

    def close(self) -> None:
        """Give the right to write up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self, wait: str) -> None:
        connection = connect(self._url)
        try:
            connection.execute(_DURABILITY[self._durability])
            _take_the_right_to_write(connection, wait)
        except LockNotAvailable:
            holder = _holder(connection)
            connection.close()
            message = f"it is in use by {holder}; one server writes a ledger at a time"
            raise DatabaseInUse(message, pid=holder) from None
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _attempt(self, events: Sequence[Storable]) -> Sequence[int]:
        if self._connection is None:
            self._open(_WAIT_TO_COME_BACK)
            log.info("the database is back")
        connection = self._connection
        assert connection is not None
        committing = False
        try:
            with connection.cursor() as cursor:
                cursor.execute(_BEGIN, prepare=False)
                before = _last_result(cursor)
                self._check_that_nobody_else_wrote(connection, before)
                for place, some in _statements(events):
                    cursor.execute(_INSERT, _columns(before + place, some))
                committing = True
                self._sent = events
                cursor.execute("COMMIT", prepare=False)
        except DatabaseInUse:
            connection.execute("ROLLBACK")
            raise
        except psycopg.Error as error:
            if connection.closed or isinstance(error, _SESSION_IS_OVER):
                raise _SessionLost(committing=committing) from error
            connection.execute("ROLLBACK")
            if isinstance(error, UniqueViolation) and (own := self._own(connection, events)):
                return self._committed(own)
            raise
        return self._committed(range(before + 1, before + len(events) + 1))

    def _committed(self, positions: Sequence[int]) -> Sequence[int]:
        self._last, self._sent = positions[-1], ()
        return positions

    def _check_that_nobody_else_wrote(
        self, connection: Connection[tuple[Any, ...]], last: int
    ) -> None:
        """What this process remembers is true only as long as nobody else writes.

        Raises:
            DatabaseInUse: while the session was lost, another server had the right to write.
        """
        if self._last not in {None, last}:
            own = self._own(connection, self._sent) if self._sent else ()
            if not own or own[-1] != last:
                message = "another server wrote to it meanwhile; restart this one"
                raise DatabaseInUse(message, pid="unknown")
        self._last = last

    def _own(
        self, connection: Connection[tuple[Any, ...]], events: Sequence[Storable]
    ) -> Sequence[int]:
        """The positions of these very events, if they are there; an event's bytes hold its id."""
        first = events[0]
        row = connection.execute(
            "SELECT notification_id, state FROM stored_events"
            " WHERE originator_id = %s AND originator_version = %s",
            (str(first.originator_id), first.originator_version),
            binary=True,
        ).fetchone()
        if row is None or row[1] != first.state:
            return ()
        return range(row[0], row[0] + len(events))


def _take_the_right_to_write(connection: Connection[tuple[Any, ...]], wait: str) -> None:
    connection.execute(SQL("SET lock_timeout = {}").format(wait))
    row = connection.execute(SQL("SELECT pg_advisory_lock({}) {}").format(_KEY, _SCHEMA)).fetchone()
    if row is None:
        message = "the URL's search_path names no schema that exists"
        raise StoreFailed(message)
    connection.execute("SET lock_timeout = '10s'")


def _statements(events: Sequence[Storable]) -> Iterator[tuple[int, Sequence[Storable]]]:
    """The events in portions that one statement may carry, each with its place."""
    start = size = 0
    for place, event in enumerate(events):
        size += len(event.state)
        if size >= _STATEMENT_BYTES:
            yield start, events[start : place + 1]
            start, size = place + 1, 0
    if start < len(events):
        yield start, events[start:]


def _columns(before: int, events: Sequence[Storable]) -> tuple[Any, ...]:
    return (
        before,
        [str(event.originator_id) for event in events],
        [event.originator_version for event in events],
        [event.topic for event in events],
        [event.state for event in events],
    )


def _last_result(cursor: _Cursor) -> int:
    while cursor.nextset():
        pass
    row = cursor.fetchone()
    assert row is not None
    number: int = row[0]
    return number


def _holder(connection: Connection[tuple[Any, ...]]) -> str:
    """Who has the right to write, in words."""
    row = connection.execute(
        SQL(
            "SELECT application_name, coalesce(host(client_addr), 'this machine'), pid "
            "FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks, pg_namespace"
            " WHERE locktype = 'advisory' AND classid = 1279607879::oid"
            " AND objid = pg_namespace.oid AND nspname = current_schema() AND granted)"
        )
    ).fetchone()
    return "another server" if row is None else f"{row[0]} on {row[1]}, session {row[2]}"
