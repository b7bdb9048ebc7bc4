"""The same questions asked of views in two ways: by our queries, and as the very SQL of these."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, Self

from sqlalchemy import Connection, event

from projections.store import ViewStore

Ask = Callable[[Connection, str], Any]
Statements = Sequence[tuple[str, Any]]


class Times(NamedTuple):
    """Milliseconds of each asking of a round."""

    floor: list[float]
    ours: list[float]


class Asked:
    """Connections to the same views: ours, one that notes our SQL, and the driver's own."""

    def __init__(self, views: Path) -> None:
        self.store = ViewStore.open(f"sqlite:///{views}")
        self._noting = ViewStore.open(f"sqlite:///{views}")
        self._raw = sqlite3.connect(views, isolation_level=None)
        self._noted: list[tuple[str, Any]] = []
        event.listen(self._noting.engine, "before_cursor_execute", self._note)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()
        self._noting.close()
        self.store.close()

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
        self._noted = []
        with self._noting.reading() as connection:
            ask(connection, path)
        return self._noted

    def _note(
        self, _connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any
    ) -> None:
        self._noted.append((statement, parameters))

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
