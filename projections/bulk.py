"""Many rows of a table written at once, as each database takes them fastest."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    ClauseElement,
    ColumnElement,
    Connection,
    Dialect,
    Table,
    TableValuedAlias,
    bindparam,
    column,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler

Rows = Sequence[Mapping[str, Any]]
_Compiled = tuple[str, Callable[[Rows], Any]]
"""A statement as text, and what makes the driver's parameters of rows."""

_Insert = TypeVar("_Insert", sqlite.Insert, postgresql.Insert)
_KEY, _GIVEN = "key_", "given_"  # a bound value may not be called like the column that it sets


def upsert(
    connection: Connection,
    table: Table,
    rows: Rows,
    *,
    columns: Collection[str] = (),
    add: Collection[str] = (),
    keep: Collection[str] = (),
) -> None:
    """Insert rows; where the primary key exists already, replace or add up the other columns.

    Args:
        connection: in a transaction that writes.
        table: its primary key decides what exists.
        rows: all with the same keys; at most one per primary key.
        columns: that are written; none in particular stands for all that the rows have.
        add: columns whose value is added to what is there; a sum with nothing is the other value.
        keep: columns that stay as they were first inserted.
    """
    if rows:
        written = frozenset(columns or rows[0])
        text, parameters = _upsert(
            connection.dialect, table, written, frozenset(add), frozenset(keep)
        )
        connection.exec_driver_sql(text, parameters(rows))


def update(connection: Connection, table: Table, rows: Rows) -> None:
    """Change columns of rows that exist.

    Args:
        connection: in a transaction that writes.
        table: its primary key says which row is meant.
        rows: all with the same keys: those of the primary key, and the columns to change.
    """
    if rows:
        text, parameters = _update(connection.dialect, table, frozenset(rows[0]))
        connection.exec_driver_sql(text, parameters(rows))


@lru_cache(maxsize=256)
def _upsert(
    dialect: Dialect,
    table: Table,
    columns: frozenset[str],
    add: frozenset[str],
    keep: frozenset[str],
) -> _Compiled:
    if dialect.name == "postgresql":
        given = _arrays(table, columns)
        names = sorted(columns)
        own = postgresql.insert(table)
        inserting = _on_conflict(own, table, columns, add, keep).from_select(
            names, select(*(given.c[name] for name in names))
        )
        return _of_arrays(inserting, dialect)
    return _row_by_row(
        _on_conflict(sqlite.insert(table), table, columns, add, keep), dialect, columns
    )


def _on_conflict(
    insert: _Insert,
    table: Table,
    columns: frozenset[str],
    add: frozenset[str],
    keep: frozenset[str],
) -> _Insert:
    key = [each.name for each in table.primary_key]
    changes: dict[str, ColumnElement[Any]] = {}
    for old in table.columns:
        if old.name in columns and old.name not in keep and old.name not in key:
            new = insert.excluded[old.name]
            changes[old.name] = _sum(old, new) if old.name in add else new
    if not changes:
        return insert.on_conflict_do_nothing(index_elements=key)
    return insert.on_conflict_do_update(index_elements=key, set_=changes)


@lru_cache(maxsize=256)
def _update(dialect: Dialect, table: Table, columns: frozenset[str]) -> _Compiled:
    key = [each.name for each in table.primary_key]
    changed = sorted(columns.difference(key))
    if dialect.name == "postgresql":
        given = _arrays(table, columns)
        changing = table.update().where(*(table.c[name] == given.c[name] for name in key))
        return _of_arrays(changing.values({name: given.c[name] for name in changed}), dialect)
    changing = table.update().where(*(table.c[name] == bindparam(_KEY + name) for name in key))
    text, parameters = _row_by_row(
        changing.values({name: bindparam(name) for name in changed}), dialect, frozenset(changed)
    )
    return text, parameters


def _row_by_row(statement: ClauseElement, dialect: Dialect, columns: Collection[str]) -> _Compiled:
    """For SQLite, which runs a prepared statement for each row.

    Compiled once and handed to the driver as it is: the library's own work for every row of an
    executemany costs more than SQLite's.
    """
    compiled = statement.compile(dialect=dialect, column_keys=sorted(columns))
    assert isinstance(compiled, SQLCompiler)
    first, *rest = [name.removeprefix(_KEY) for name in compiled.positiontup or ()]
    values = itemgetter(first, *rest) if rest else lambda row: (row[first],)
    return str(compiled), lambda rows: list(map(values, rows))


def _arrays(table: Table, columns: Collection[str]) -> TableValuedAlias:
    """For PostgreSQL: the rows as a table, of one array for each column.

    One statement for all rows, since one for each is a journey each; and what the driver does
    instead, a pipeline, can hang for ever on large rows.
    """
    names = sorted(columns)
    arrays = [bindparam(_GIVEN + name, type_=ARRAY(table.c[name].type)) for name in names]
    typed = [column(name, table.c[name].type) for name in names]
    return func.unnest(*arrays).table_valued(*typed).render_derived(name="given")


def _of_arrays(statement: ClauseElement, dialect: Dialect) -> _Compiled:
    compiled = statement.compile(dialect=dialect)
    names = [name.removeprefix(_GIVEN) for name in compiled.params]
    return str(compiled), lambda rows: {
        _GIVEN + name: [row[name] for row in rows] for name in names
    }


def _sum(old: ColumnElement[Any], new: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(old + new, old, new)
