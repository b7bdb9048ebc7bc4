"""Connections to a ledger in a SQLite file, and the driver's errors in our words."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from eventsourcing.persistence import ConnectionPoolClosedError, PersistenceError
from eventsourcing.sqlite import SQLiteConnection, SQLiteConnectionPool, SQLiteDatastore

from ledger.errors import LedgerClosed, StoreFailed
from ledger.store import Durability

_BUSY_SECONDS = 10
_WAL_PAGES = 8_000  # 32 MiB: a page that many runs touch is then copied back once, not each time
_STATEMENTS_KEPT = 64  # compiled; the library's connections keep one


def connect(path: str, durability: Durability) -> sqlite3.Connection:
    """A connection with the pragmas that durability needs, which keeps what it compiled."""
    connection = sqlite3.connect(
        path,
        timeout=_BUSY_SECONDS,
        isolation_level=None,  # transactions begin where we say so
        check_same_thread=False,
        cached_statements=_STATEMENTS_KEPT,
    )
    try:
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={durability.upper()}",
            "cache_size=-16384",
            f"wal_autocheckpoint={_WAL_PAGES}",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


class _Pool(SQLiteConnectionPool):
    """The library's pool, of our connections."""

    def __init__(self, path: str, durability: Durability) -> None:
        super().__init__(db_name=path, pool_size=8, max_overflow=24)
        self._durability = durability

    def _create_connection(self) -> SQLiteConnection:
        return SQLiteConnection(connect(self.db_name, self._durability), self.max_age)


class Datastore(SQLiteDatastore):
    """The library's datastore on our pool."""

    def __init__(self, path: str, durability: Durability) -> None:
        super().__init__(path, originator_id_type="text")
        self.pool = _Pool(path, durability)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Say in our words what the driver or the pool says no to; `what` the store could not do.

    Raises:
        LedgerClosed: the pool is closed.
        StoreFailed: anything else.
    """
    try:
        yield
    except ConnectionPoolClosedError as error:
        message = "the ledger is closed"
        raise LedgerClosed(message) from error
    except (sqlite3.Error, PersistenceError) as error:
        message = f"the store could not {what} ({error}); nothing was recorded"
        raise StoreFailed(message) from error
