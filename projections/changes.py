"""What a page does to the rows of one table: gathered in memory, written at once."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table, Update, bindparam

from projections.dialect import upsert

Key = tuple[Any, ...]
Row = dict[str, Any]


class Changes:
    """Rows that a page adds to a table, and columns that it changes in rows from earlier pages.

    A change of a row that the same page added is made before the row is written. Keys are the
    values of the primary key, in the order of its columns.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._added: dict[Key, Row] = {}
        self._changed: dict[Key, Row] = {}

    def insert(self, key: Key, row: Row) -> None:
        """Add a row with all columns of the table."""
        self._added[key] = row

    def update(self, key: Key, **columns: Any) -> None:
        """Change columns of a row."""
        row = self._added.get(key)
        if row is None:
            row = self._changed.setdefault(key, {})
        row.update(columns)

    def write(self, connection: Connection) -> None:
        """Write it all, changes of the same columns together."""
        upsert(connection, self._table, list(self._added.values()))
        keyed = (columns | _parameters(key) for key, columns in self._changed.items())
        for rows in _by_columns(keyed):
            connection.execute(_update(self._table, frozenset(rows[0])), rows)


def _by_columns(rows: Iterable[Row]) -> Iterable[list[Row]]:
    kinds: dict[frozenset[str], list[Row]] = {}
    for row in rows:
        kinds.setdefault(frozenset(row), []).append(row)
    return kinds.values()


def _parameters(key: Key) -> Row:
    return {f"key_{place}": value for place, value in enumerate(key)}


@lru_cache(maxsize=256)
def _update(table: Table, names: frozenset[str]) -> Update:
    keys = [f"key_{place}" for place in range(len(table.primary_key))]
    columns = zip(table.primary_key, keys, strict=True)
    return (
        table.update()
        .where(*(column == bindparam(key) for column, key in columns))
        .values({name: bindparam(name) for name in names.difference(keys)})
    )
