"""Where a ledger is kept: a SQLite file, or a schema of a PostgreSQL database, by its URL."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ledger import sqlite
from ledger.errors import StoreFailed
from ledger.heartbeats import Heartbeats
from ledger.store import Durability, Store

SQLITE: Final = "sqlite:///"
_POSTGRES: Final = ("postgresql://", "postgres://")


def is_postgres(url: str) -> bool:
    """Whether a URL is one of PostgreSQL."""
    return url.startswith(_POSTGRES)


def file_of(url: str) -> Path | None:
    """The file that a URL names; None when it is not one of SQLite."""
    name = url.removeprefix(SQLITE)
    return Path(name) if url.startswith(SQLITE) and name else None


def is_known(url: str) -> bool:
    """Whether a ledger can be kept at a URL."""
    return is_postgres(url) or file_of(url) is not None


def shown(url: str) -> str:
    """A URL as it may be shown: a file by its path, and without whatever may be a secret."""
    if file := file_of(url):
        return str(file)
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def open_store(database: Path | str, durability: Durability, *, alone: bool = False) -> Store:
    """Open the event store in a file or at a URL, and make it if there is none.

    Args:
        database: a file, or a URL.
        durability: what a commit survives.
        alone: no other process may have it open; on SQLite none may in any case.

    Raises:
        DatabaseInUse: another process has it open, and does not share it.
        StoreFailed: it cannot be opened, or is not a ledger.
    """
    file = database if isinstance(database, Path) else file_of(database)
    if file is not None:
        return sqlite.open_store(file, durability)
    store: Store = _postgres("ledger.postgres").open_store(database, durability, alone=alone)
    return store


def exists(url: str) -> bool:
    """Whether there is a ledger at a URL. Raises StoreFailed where nobody answers."""
    if file := file_of(url):
        return file.is_file()
    there: bool = _postgres("ledger.postgres").exists(url)
    return there


def open_heartbeats(url: str) -> Heartbeats | None:
    """What the servers of a ledger share of their workers; None where there is one server only."""
    if not is_postgres(url):
        return None
    heartbeats: Heartbeats = _postgres("ledger.postgres_heartbeats").PostgresHeartbeats(url)
    return heartbeats


def connector(url: str, *, autocommit: bool) -> Callable[[], Any]:
    """What opens a connection of the driver's to PostgreSQL."""
    return partial(_postgres("ledger.postgres_connection").connect, url, autocommit=autocommit)


def _postgres(module: str) -> Any:
    """A module that needs the driver, which not everybody has, and which takes long to load."""
    if find_spec("psycopg") is None:
        message = "PostgreSQL needs a driver: pip install 'execution-ledger[postgres]'"
        raise StoreFailed(message)
    return import_module(module)
