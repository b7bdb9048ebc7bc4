"""Connections to PostgreSQL: how long they wait, what they notice, and which are refused.

The URL goes to libpq as it is, so that TLS, several hosts and every other parameter mean what
PostgreSQL's manual says. What it leaves open gets a default here.
"""

from typing import Any, Final

import psycopg
from psycopg import Connection
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.conninfo import conninfo_to_dict

_DEFAULTS: Final = {
    "application_name": "execution-ledger",
    "connect_timeout": "10",
    # Of several hosts, the one that takes writes: a standby may lag behind what was acknowledged.
    "target_session_attrs": "read-write",
    # A connection whose other end is gone is noticed within half a minute.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}

_SESSION: Final = (
    # The server, too, notices a lost client soon; until then it keeps the right to write.
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; "
    # Queries are short: to compile one takes longer than to run it.
    "SET jit = off; SET client_min_messages = warning"
)


class PoolerRefused(Exception):
    """Something between this process and PostgreSQL does not keep sessions together."""


class _Text(Dumper):
    """Text without NUL, which PostgreSQL cannot keep; what is asked for is changed like this too.

    Events are stored as bytes and so keep it.
    """

    oid = psycopg.adapters.types["text"].oid

    def dump(self, obj: str) -> Buffer:
        return (obj.replace("\0", "\N{SYMBOL FOR NULL}") if "\0" in obj else obj).encode()


class _Number(Loader):
    """Sums and averages of whole numbers, as SQLite gives them; PostgreSQL has a type for them."""

    def load(self, data: Buffer) -> int | float:
        text = bytes(data)
        return float(text) if b"." in text else int(text)


def connect(url: str, *, autocommit: bool = True) -> Connection[tuple[Any, ...]]:
    """A connection.

    Args:
        url: as libpq takes it.
        autocommit: whether a statement commits by itself, unless it begins a transaction.

    Raises:
        psycopg.Error: the URL has no meaning, or nobody answers there.
    """
    parameters: dict[str, Any] = {**_DEFAULTS, **conninfo_to_dict(url)}
    connection = psycopg.connect("", autocommit=True, **parameters)
    connection.adapters.register_dumper(str, _Text)
    connection.adapters.register_loader("numeric", _Number)
    connection.execute(_SESSION, prepare=False)
    connection.autocommit = autocommit
    return connection


def refuse_transaction_pooler(url: str) -> None:
    """See to it that a session stays a session: the right to write lives in one.

    A pooler makes up the number of the server process, so that nothing further is asked of a
    direct connection. Behind one, a setting is made on a session whose server process is then
    kept busy by another: a pooler that lends processes out by the transaction now gives the first
    session a different one, and the setting is gone.

    Raises:
        PoolerRefused: says what to change.
        psycopg.Error: nobody answers there.
    """
    with connect(url) as first:
        if _value(first, "SELECT pg_backend_pid()") == first.info.backend_pid:
            return
        with connect(url) as second:
            first.execute("SELECT set_config('execution_ledger.probe', 'kept', false)")
            second.execute("BEGIN")
            second.execute("SELECT 1")
            kept = _value(first, "SELECT current_setting('execution_ledger.probe', true)")
            second.execute("ROLLBACK")
    if kept != "kept":
        raise PoolerRefused(
            "there is a connection pooler in transaction or statement mode in between; "
            "connect to PostgreSQL directly, or by a pool in session mode (pool_mode=session)"
        )


def _value(connection: Connection[tuple[Any, ...]], query: Any) -> Any:
    row = connection.execute(query, prepare=False).fetchone()
    return row[0] if row else None
