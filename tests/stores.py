"""In which database a test keeps its ledger and its views.

SQLite, unless LEDGER_TEST_STORE says postgres; and a test marked `both_stores` runs on each.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import text

from projections.dialect import open_engine
from tests.postgres import fresh_schema

KINDS = ("sqlite", "postgres")
DEFAULT = os.environ.get("LEDGER_TEST_STORE", "sqlite")


class _Kept:
    """The databases of the module whose tests run now."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.urls: dict[Path, str] = {}
        self.schemas = ExitStack()


_now = _Kept(DEFAULT)


@contextmanager
def keeping_in(kind: str) -> Iterator[None]:
    """Until this is left, ledgers are kept in databases of one kind."""
    global _now  # noqa: PLW0603 - one test runs at a time
    before, _now = _now, _Kept(kind)
    with _now.schemas:
        yield
    _now = before


def database_in(folder: Path, name: str = "ledger.db") -> str:
    """The URL of a ledger: the same one for the same folder and name."""
    file = folder / name
    if _now.kind == "sqlite":
        return f"sqlite:///{file}"
    if file not in _now.urls:
        _now.urls[file] = _now.schemas.enter_context(fresh_schema())
    return _now.urls[file]


@contextmanager
def fresh_database() -> Iterator[str]:
    """The URL of an empty database, gone afterwards."""
    if _now.kind == "postgres":
        with fresh_schema() as url:
            yield url
    else:
        with TemporaryDirectory() as folder:
            yield f"sqlite:///{Path(folder, 'some.db')}"


def execute_in(url: str, *statements: str) -> None:
    """Do something to a database behind the back of whoever uses it."""
    engine = open_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def fetched_from(url: str, query: str) -> list[Any]:
    """Look into a database behind the back of whoever uses it."""
    engine = open_engine(url)
    with engine.begin() as connection:
        rows = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return rows
