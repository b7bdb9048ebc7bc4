"""What differs between SQLite and PostgreSQL, and nothing else does: engine, upsert, partial index.

A transaction begins as BEGIN IMMEDIATE on SQLite when its connection has the option WRITES: one
that read first and wrote later would fail without waiting when somebody else wrote in between.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Index,
    Insert,
    Table,
    create_engine,
    event,
    func,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler

WRITES = "writes"
_BUSY_MILLISECONDS = 30_000
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",  # what is lost in a power cut comes back from the log
    f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}",
    "PRAGMA cache_size=-32768",
    "PRAGMA wal_autocheckpoint=4000",  # pages; a page that changes often is copied less often
    "PRAGMA temp_store=MEMORY",
)


def views_url(ledger: Path) -> URL:
    """Where the views of a ledger file are kept: in a file of their own beside it.

    SQLite lets one transaction write to a file at a time; so the writer of events never waits for
    a projection.
    """
    return URL.create("sqlite", database=str(ledger.with_suffix(".views.db")))


def open_engine(url: URL | str) -> Engine:
    """An engine that many threads may use, with transactions that begin when we say so."""
    engine = create_engine(url, pool_size=8, max_overflow=56, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.connection.cursor().execute("BEGIN IMMEDIATE" if writes else "BEGIN")


def snapshot_options(connection: Connection) -> Mapping[str, Any]:
    """The options under which all reads of a transaction see one state of the database."""
    if connection.dialect.name == "postgresql":
        return {"isolation_level": "REPEATABLE READ"}
    return {}


def read(connection: Connection, statement: str, parameters: Any) -> Sequence[Sequence[Any]]:
    """The rows of a statement, as the driver gives them.

    On SQLite the driver is asked past the library, whose work for a statement takes as long as the
    statement. On PostgreSQL it is not: the library notices when the server is gone.

    Args:
        connection: that reads; never one on which names mean other tables.
        statement: in the driver's own text.
        parameters: as the driver takes them.
    """
    if connection.dialect.name != "sqlite":
        return connection.exec_driver_sql(statement, parameters).all()
    if not connection.in_transaction():
        connection.begin()
    cursor = connection.connection.cursor()
    cursor.execute(statement, parameters)
    return cursor.fetchall()


def upsert(
    connection: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    add: Collection[str] = (),
    keep: Collection[str] = (),
) -> None:
    """Insert rows; where the primary key exists already, replace or add up the other columns.

    Args:
        connection: in a transaction that writes.
        table: its primary key decides what exists.
        rows: all with the same keys; at most one per primary key.
        add: columns whose value is added to what is there; a sum with nothing is the other value.
        keep: columns that stay as they were first inserted.
    """
    if rows:
        statement, parameters = _compiled(
            connection.dialect, table, frozenset(rows[0]), frozenset(add), frozenset(keep)
        )
        connection.exec_driver_sql(statement, parameters(rows))


Rows = Sequence[Mapping[str, Any]]


@lru_cache(maxsize=256)
def _compiled(
    dialect: Dialect,
    table: Table,
    columns: frozenset[str],
    add: frozenset[str],
    keep: frozenset[str],
) -> tuple[str, Callable[[Rows], Any]]:
    """The statement as text, and what makes the driver's parameters of rows.

    Compiled once and handed to the driver as it is: the library's own work for every row of an
    executemany costs more than SQLite's.
    """
    statement = _upsert(dialect.name, table, columns, add, keep)
    compiled = statement.compile(dialect=dialect, column_keys=sorted(columns))
    names = compiled.positiontup if isinstance(compiled, SQLCompiler) else None
    if names is None:
        return str(compiled), list
    first, *rest = names
    values = itemgetter(first, *rest) if rest else lambda row: (row[first],)
    return str(compiled), lambda rows: list(map(values, rows))


def _upsert(
    dialect: str,
    table: Table,
    columns: frozenset[str],
    add: frozenset[str],
    keep: frozenset[str],
) -> Insert:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(table)
    key = [column.name for column in table.primary_key]
    changes: dict[str, ColumnElement[Any]] = {}
    for column in table.columns:
        if column.name in columns and column.name not in keep and column.name not in key:
            new = statement.excluded[column.name]
            changes[column.name] = _sum(column, new) if column.name in add else new
    if not changes:
        return statement.on_conflict_do_nothing(index_elements=key)
    return statement.on_conflict_do_update(index_elements=key, set_=changes)


def _sum(old: ColumnElement[Any], new: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(old + new, old, new)


CLUSTERED: Final[dict[str, Any]] = {"sqlite_with_rowid": False}
"""Options of a table with short rows: on SQLite the primary key's index is the table itself."""


def index_where_set(name: str, *columns: ColumnElement[Any], given: ColumnElement[Any]) -> Index:
    """An index of the rows in which a column is not null; `column = value` finds them by it."""
    is_set = given.is_not(None)
    return Index(name, *columns, sqlite_where=is_set, postgresql_where=is_set)
