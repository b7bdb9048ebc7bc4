"""What a page does to the rows of one table: gathered in memory, written at once."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Table

from projections.bulk import update, upsert

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
        key_of = [column.name for column in self._table.primary_key]
        keyed = (
            columns | dict(zip(key_of, key, strict=True)) for key, columns in self._changed.items()
        )
        for rows in _by_columns(keyed):
            update(connection, self._table, rows)


def _by_columns(rows: Iterable[Row]) -> Iterable[list[Row]]:
    kinds: dict[frozenset[str], list[Row]] = {}
    for row in rows:
        kinds.setdefault(frozenset(row), []).append(row)
    return kinds.values()
