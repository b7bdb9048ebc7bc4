"""The right to write to a ledger on PostgreSQL: a lock that ends with the session that holds it.

So nobody writes who has lost it, and nobody has to guess whether a process is gone. Servers share
it; who must be alone does not.
"""

from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.errors import LockNotAvailable
from psycopg.sql import SQL

from ledger.errors import DatabaseInUse, StoreFailed

_Connection = Connection[tuple[Any, ...]]

_SCHEMA: Final = SQL("FROM pg_namespace WHERE nspname = current_schema()")
_KEY: Final = SQL("(1279607879::bigint << 32 | oid::bigint)")  # "LEDG", and the schema's number
_MAKING: Final = SQL("(1279607880::bigint << 32 | oid::bigint)")
_HOLDERS: Final = SQL(
    "FROM pg_locks, pg_namespace WHERE locktype = 'advisory' AND classid = 1279607879::oid"
    " AND objid = pg_namespace.oid AND nspname = current_schema() AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
ONE_AT_A_TIME: Final = SQL("SELECT pg_advisory_xact_lock({}) {}").format(_MAKING, _SCHEMA)
"""Makes a transaction wait for any other that makes tables in the schema."""


class Right(NamedTuple):
    """The right to write, as a session has it.

    Attributes:
        schema: the number of the schema.
        pid: of the server's process; a pooler in between makes up another.
    """

    schema: int
    pid: int


def take_the_right_to_write(connection: _Connection, wait: str, *, alone: bool) -> Right:
    """Take it for a session, with others or alone.

    Raises:
        DatabaseInUse: another session has it, and one of the two must be alone.
        StoreFailed: there is no schema to write to.
    """
    connection.execute(SQL("SET lock_timeout = {}").format(wait))
    take = SQL("pg_advisory_lock" if alone else "pg_advisory_lock_shared")
    try:
        row = connection.execute(
            SQL("SELECT oid::bigint, pg_backend_pid(), {}({}) {}").format(take, _KEY, _SCHEMA)
        ).fetchone()
    except LockNotAvailable:
        holder = _holder(connection)
        message = f"it is in use by {holder}"
        raise DatabaseInUse(message, pid=holder) from None
    if row is None:
        message = "the URL's search_path names no schema that exists"
        raise StoreFailed(message)
    return Right(row[0], row[1])


def writers(connection: _Connection) -> int:
    """How many sessions have it."""
    row = connection.execute(SQL("SELECT count(*) {}").format(_HOLDERS)).fetchone()
    return row[0] if row else 0


def _holder(connection: _Connection) -> str:
    """Somebody who has it, in words."""
    row = connection.execute(
        SQL(
            "SELECT application_name, coalesce(host(client_addr), 'this machine'), pid "
            "FROM pg_stat_activity WHERE pid IN (SELECT pid {})"
        ).format(_HOLDERS)
    ).fetchone()
    return "another server" if row is None else f"{row[0]} on {row[1]}, session {row[2]}"
