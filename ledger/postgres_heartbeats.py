"""Heartbeats in a table of the ledger's PostgreSQL database; times are the database's.

The table is unlogged: it costs no disk to speak of, and is empty after a crash. The row without a
lease says since when it is kept, so that what is lost is not taken for silence.
"""

from collections.abc import Callable, Collection, Sequence
from threading import Lock
from typing import Any, Final, TypeVar

import psycopg
from psycopg import Connection
from psycopg.sql import SQL

from ledger.errors import StoreFailed
from ledger.heartbeats import Heard, Silences
from ledger.ids import random_hex
from ledger.postgres_connection import connect
from ledger.postgres_right import ONE_AT_A_TIME, writers

T = TypeVar("T")
_Session = Connection[tuple[Any, ...]]

_TABLE: Final = SQL(
    "CREATE UNLOGGED TABLE heartbeats ("
    'lease text COLLATE "C" PRIMARY KEY, '
    "execution_id text NOT NULL, "
    "heard_at timestamptz NOT NULL, "
    "let_go boolean NOT NULL, "
    "heard_by text NOT NULL)"
)
_IS_THERE: Final = SQL("SELECT to_regclass('heartbeats') IS NOT NULL")
_COMPLETE: Final = SQL("INSERT INTO heartbeats VALUES ('', '', '-infinity', false, '')")
_CLEAR: Final = SQL(  # what servers left that were killed; no lease lasts an hour
    "DELETE FROM heartbeats WHERE lease <> '' AND heard_at < clock_timestamp() - interval '1 day'"
)
_TELL: Final = SQL(
    "INSERT INTO heartbeats (lease, execution_id, heard_at, let_go, heard_by) "
    "SELECT lease, execution_id, clock_timestamp() - seconds_ago * interval '1 second', let_go, %s "
    "FROM unnest(%s::text[], %s::text[], %s::float8[], %s::boolean[])"
    " AS heard (lease, execution_id, seconds_ago, let_go) "
    "ORDER BY lease "  # two servers that tell of the same leases do not lock each other out
    "ON CONFLICT (lease) DO UPDATE SET heard_at = excluded.heard_at,"
    " let_go = excluded.let_go, heard_by = excluded.heard_by "
    "WHERE excluded.heard_at > heartbeats.heard_at OR excluded.let_go"
)
_FORGET: Final = SQL(
    "DELETE FROM heartbeats WHERE lease IN"
    " (SELECT lease FROM heartbeats WHERE lease = ANY(%s) ORDER BY lease FOR UPDATE)"
)
_ASK: Final = SQL(
    "WITH begun AS (INSERT INTO heartbeats VALUES ('', '', clock_timestamp(), false, '')"
    " ON CONFLICT DO NOTHING) "
    "SELECT lease, CASE WHEN let_go OR NOT isfinite(heard_at) THEN 'Infinity'"
    " ELSE extract(epoch FROM clock_timestamp() - heard_at)::float8 END "
    "FROM heartbeats WHERE lease = '' OR lease = ANY(%s) AND heard_by <> %s"
)


class PostgresHeartbeats:
    """`Heartbeats`, on a connection of their own, which comes back by itself."""

    def __init__(self, url: str) -> None:
        """Make the table if there is none. Raises StoreFailed."""
        self._url = url
        self._server = random_hex(8)
        self._lock = Lock()  # guards the connection
        self._connection: _Session | None = None
        self._do(lambda _: None)

    def tell(self, heard: Sequence[Heard], over: Collection[str]) -> None:
        """Say of whom this server heard, and which leases of these are over; in one go."""
        if heard:
            columns = map(list, zip(*heard, strict=True))
            self._do(lambda session: session.execute(_TELL, (self._server, *columns)))
        if over:
            self._do(lambda session: session.execute(_FORGET, (list(over),)))

    def ask(self, leases: Collection[str]) -> Silences:
        """What the other servers say of some leases."""
        asked = list(leases), self._server
        found: dict[str, float] = dict(
            self._do(lambda session: session.execute(_ASK, asked).fetchall())
        )
        kept_for = max(0.0, found.pop("", 0.0))
        return Silences({lease: max(0.0, seconds) for lease, seconds in found.items()}, kept_for)

    def is_alone(self) -> bool:
        """Whether no other server holds the right to write just now."""
        return self._do(writers) <= 1

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            self._drop()

    def _do(self, work: Callable[[_Session], T]) -> T:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = _opened(self._url)
                return work(self._connection)
            except psycopg.Error as error:
                self._drop()
                message = f"heartbeats cannot be shared ({type(error).__name__})"
                raise StoreFailed(message) from error

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _opened(url: str) -> _Session:
    session = connect(url)
    with session.transaction():
        session.execute(ONE_AT_A_TIME)
        row = session.execute(_IS_THERE).fetchone()
        if row is None or not row[0]:
            session.execute(_TABLE)
            session.execute(_COMPLETE)  # nothing was told before, so nothing is lost
        session.execute(_CLEAR)
    return session
