"""The same questions asked of views in two ways: by our queries, and as the very SQL of these."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, NamedTuple, Self

from sqlalchemy import Connection, event

from projections.store import ViewStore

Ask = Callable[[Connection, str], Any]
Statements = Sequence[tuple[str, Any]]


class Times(NamedTuple):
    """Milliseconds of each asking of a round."""

    floor: list[float]
    ours: list[float]


def _note_all(_dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]) -> None:
    options["factory"] = _Noting


class _Noted(sqlite3.Cursor):
    """A cursor that notes what it is asked; the library's own connections and ours make them."""

    statements: ClassVar[list[tuple[str, Any]]] = []

    def execute(self, statement: str, parameters: Any = (), /) -> Self:
        self.statements.append((statement, parameters))
        return super().execute(statement, parameters)


class _Noting(sqlite3.Connection):
    def cursor(self, *_: Any) -> Any:
        return super().cursor(_Noted)


class Asked:
    """Connections to the same views: ours, one that notes our SQL, and the driver's own."""

    def __init__(self, views: Path) -> None:
        url = f"sqlite:///{views}"
        self.store, self._noting, self._floor = (ViewStore.open(url) for _ in range(3))
        event.listen(self._noting.engine, "do_connect", _note_all)
        raw = self._floor.engine.raw_connection().driver_connection  # with the same pragmas
        assert isinstance(raw, sqlite3.Connection)
        self._raw = raw
        with self._noting.reading() as connection:  # what a new connection is asked is no floor
            connection.begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()
        for store in (self._floor, self._noting, self.store):
            store.close()

    def times(self, ask: Ask, paths: Sequence[str]) -> Times:
        """Ask in both ways in turn, each of them first every other time."""
        times = Times([], [])
        for place, path in enumerate(paths):
            statements = self._statements(ask, path)
            if place % 2:
                times.floor.append(self._time_raw(statements))
            times.ours.append(self._time_ours(ask, path))
            if not place % 2:
                times.floor.append(self._time_raw(statements))
        return times

    def _statements(self, ask: Ask, path: str) -> Statements:
        _Noted.statements.clear()
        with self._noting.reading() as connection:
            ask(connection, path)
        return list(_Noted.statements)

    def _time_ours(self, ask: Ask, path: str) -> float:
        began = perf_counter()
        with self.store.reading() as connection:
            ask(connection, path)
        return 1000 * (perf_counter() - began)

    def _time_raw(self, statements: Statements) -> float:
        began = perf_counter()
        for statement, parameters in statements:
            self._raw.execute(statement, parameters).fetchall()
        self._raw.rollback()
        return 1000 * (perf_counter() - began)
