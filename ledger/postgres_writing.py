"""The session of this process that writes to a ledger on PostgreSQL, and its way back after a loss.

Any number of processes have one. They take turns by a lock on the table, under which positions are
given and each sees what the others inserted before it. The right to write at all is a lock that the
session holds and that ends with it: shared by all of them, but for whoever must be alone.
"""

from collections.abc import Iterator, Sequence
from time import monotonic, sleep
from typing import Any, Final

import psycopg
import structlog
from psycopg import Connection, Cursor
from psycopg.sql import SQL, Composed, Identifier

from ledger.errors import DatabaseInUse
from ledger.event import Storable
from ledger.postgres_connection import connect
from ledger.postgres_reading import read_log
from ledger.postgres_right import ONE_AT_A_TIME, take_the_right_to_write
from ledger.store import Author, Durability, OutcomeUnknown

PATIENCE_SECONDS: Final = 30.0
"""How long a commit waits for a database that went away: a restart, or a standby that takes over.

Longer than it takes the server to notice that the session before has lost its client.
"""

_PAUSE_SECONDS: Final = 0.1
_WAIT_TO_OPEN: Final = "2s"
_WAIT_TO_COME_BACK: Final = "20s"
_STATEMENT_BYTES: Final = 4 * 1024 * 1024
_NEWS_PAGE: Final = 5_000
_LAST: Final = SQL("SELECT coalesce(max(notification_id), 0) FROM stored_events")
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
# Who stalls while the others wait for it loses its session, well before they give up.
_PATIENCE_OF_OTHERS: Final = SQL(
    "SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '5s'"
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
    psycopg.errors.IdleInTransactionSessionTimeout,
)

log = structlog.get_logger()
_Cursor = Cursor[tuple[Any, ...]]


class _SessionLost(Exception):
    """The session ended before it was known what became of a transaction."""


class WritingSession:
    """Inserts events; for one thread."""

    def __init__(self, url: str, durability: Durability, *, alone: bool = False) -> None:
        """Take the right to write, with others or alone.

        Raises:
            DatabaseInUse: another process has it that will not share, or is not to be shared with.
            StoreFailed: there is no schema to write to.
            psycopg.Error: nobody answers there.
        """
        self._url = url
        self._durability = durability
        self._alone = alone
        self._connection: Connection[tuple[Any, ...]] | None = None
        self._wanted: Sequence[Storable] = ()  # to be inserted, as the author said last
        self._sent: Sequence[Storable] = ()  # to be committed, and nobody said what became of it
        self.pid = 0
        """The number of the session's process, by which its notifications are known."""
        self.channel = ""
        """On which a notification follows each commit, where there is anybody to hear it."""
        self.has_company = True
        """Whether others may be there."""
        self._open(_WAIT_TO_OPEN)

    def execute(self, *statements: SQL | Composed) -> None:
        """Make or change tables, one process after the other."""
        assert self._connection is not None
        with self._connection.transaction():
            self._connection.execute(ONE_AT_A_TIME)
            for statement in statements:
                self._connection.execute(statement, prepare=False)

    def insert(self, events: Sequence[Storable], author: Author | None) -> Sequence[int]:
        """Insert all or nothing; returns the positions.

        A session that is lost is opened again and the events are inserted again; when the commit
        before had arrived after all, they are found to be there.

        Args:
            events: in order; with none, it is seen to it that the author knows all there is.
            author: is given what others inserted, and asked again what to insert.

        Raises:
            DatabaseInUse: somebody took over who must be alone.
            OutcomeUnknown: the database stayed away after a commit was sent.
            psycopg.Error: it refused, or stayed away before; nothing was inserted.
        """
        give_up_at = monotonic() + PATIENCE_SECONDS
        self._sent = ()
        self._wanted = events
        while True:
            try:
                return self._attempt(author)
            except _SessionLost as lost:
                self.close()
                error: BaseException = lost.__cause__ or lost
            except (DatabaseInUse, psycopg.Error) as refusal:
                error = refusal
            if not self._is_away(error) or monotonic() >= give_up_at:
                if self._sent:
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
            right = take_the_right_to_write(connection, wait, alone=self._alone)
            connection.execute(_PATIENCE_OF_OTHERS)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self.pid, self.channel = right.pid, f"execution_ledger_{right.schema}"

    def _attempt(self, author: Author | None) -> Sequence[int]:
        if self._connection is None:
            self._open(_WAIT_TO_COME_BACK)
            log.info("the database is back")
        connection = self._connection
        assert connection is not None
        try:
            with connection.cursor() as cursor:
                return self._transact(cursor, author)
        except psycopg.Error as error:
            if self._sent or connection.closed or isinstance(error, _SESSION_IS_OVER):
                raise _SessionLost from error
            connection.execute("ROLLBACK")
            raise
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    def _transact(self, cursor: _Cursor, author: Author | None) -> Sequence[int]:
        """One transaction; none where there is nothing to insert."""
        if not self._wanted:
            self._tell(author, _last_result(cursor.execute(_LAST, prepare=False)), cursor)
            if not self._wanted:
                return ()
        last = _last_result(cursor.execute(_BEGIN, prepare=False))
        if own := self._arrived(cursor):
            cursor.execute("ROLLBACK")
            return own
        self._tell(author, last, cursor)
        if not self._wanted:
            cursor.execute("ROLLBACK")
            return ()
        for place, some in _statements(self._wanted):
            cursor.execute(_INSERT, _columns(last + place, some))
        self._sent = self._wanted
        cursor.execute(self._commit(), prepare=False)
        self._sent = ()
        return range(last + 1, last + len(self._wanted) + 1)

    def _commit(self) -> SQL | Composed:
        """The notification is a transaction of its own: they wait for each other, everywhere."""
        if not self.has_company:
            return SQL("COMMIT")
        return SQL("COMMIT; NOTIFY {}").format(Identifier(self.channel))

    def _tell(self, author: Author | None, last: int, cursor: _Cursor) -> None:
        """Give the author what others inserted, and ask again what to insert."""
        if author is None or author.position >= last:
            return
        while author.position < last:
            author.take_in(read_log(cursor, author.position, _NEWS_PAGE))
        self._wanted = author.revise()

    def _arrived(self, cursor: _Cursor) -> Sequence[int]:
        """The positions of what was sent to be committed, if it is there; or it never will be.

        An event's bytes hold its id, so that no other is taken for it.
        """
        sent = self._sent
        if not sent:
            return ()
        row = cursor.execute(
            "SELECT notification_id, state FROM stored_events"
            " WHERE originator_id = %s AND originator_version = %s",
            (str(sent[0].originator_id), sent[0].originator_version),
            binary=True,
        ).fetchone()
        self._sent = ()
        if row is None or row[1] != sent[0].state:
            return ()
        return range(row[0], row[0] + len(sent))


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
    """The number that the last of some statements gave."""
    while cursor.nextset():
        pass
    row = cursor.fetchone()
    assert row is not None
    number: int = row[0]
    return number
