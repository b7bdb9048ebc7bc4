"""Whether the views say what the log says: they are folded again elsewhere, and compared."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, select, tuple_

from ledger.clock import Clock, utc_now
from ledger.mapper import Recorded
from projections import builds, tracking
from projections.dialect import NUL_SHOWN
from projections.projection import Log, Projection
from projections.rebuild import PAGE_SIZE, Advance
from projections.steps import Steps
from projections.store import ViewStore

_CHUNK = 200
_MOST_TOLD = 100

Row = Mapping[str, Any]


class Difference(NamedTuple):
    """A row that is not what the log says.

    Attributes:
        projection: whose table it is.
        table: in which it stands, or should stand.
        key: the values of its primary key.
        live: the row as queries see it; None when it is missing.
        fresh: the row as the log has it; None when it should not be there.
    """

    projection: str
    table: str
    key: tuple[Any, ...]
    live: Row | None
    fresh: Row | None


class CheckFailed(Exception):
    """The fresh fold came to no end, so there is nothing to compare with."""


class _LogUntil:
    """The log as it was when its last event was the one at a position."""

    def __init__(self, log: Log, position: int) -> None:
        self._log = log
        self.position = position

    def read_log(
        self, after: int, limit: int, _sparing: Collection[str] = ()
    ) -> Sequence[Recorded]:
        events = self._log.read_log(after, limit)
        return [event for event in events if event.position <= self.position]

    def read_first(self, ids: Sequence[str]) -> Sequence[Recorded]:
        return self._log.read_first(ids)


def check(
    store: ViewStore,
    projections: Collection[Projection],
    log: Log,
    *,
    clock: Clock = utc_now,
    advance: Advance = lambda _position, _end: None,
) -> list[Difference]:
    """Compare the live views with a fresh fold of the log up to where they are.

    The views may go on meanwhile; what is compared is how they stood at the beginning.

    Args:
        store: of the live views.
        projections: which of them; those that were never built are left out.
        log: from which they were folded.
        clock: the time.
        advance: told the position reached and the one to reach.

    Returns:
        The first hundred differences. There should be none.

    Raises:
        CheckFailed: the scratch database failed.
    """
    builds.prepare(store)
    with store.reading() as live:
        found: list[Difference] = []
        for position, group in _by_position(live, projections).items():
            with TemporaryDirectory() as folder:
                scratch = ViewStore.open(f"sqlite:///{Path(folder, 'views.db')}")
                try:
                    _fold(
                        Steps(scratch, group, _LogUntil(log, position), clock, PAGE_SIZE), advance
                    )
                    with scratch.reading() as fresh:
                        found += islice(_differences(group, live, fresh), _MOST_TOLD - len(found))
                finally:
                    scratch.close()
        return found


def _by_position(
    live: Connection, projections: Collection[Projection]
) -> Mapping[int, Sequence[Projection]]:
    positions = {
        (row.projection, row.version): row.position for row in tracking.tracked(live) if row.live
    }
    groups: dict[int, list[Projection]] = {}
    for projection in projections:
        position = positions.get((projection.name, projection.version))
        if position is not None:
            groups.setdefault(position, []).append(projection)
    return groups


def _fold(steps: Steps, advance: Advance) -> None:
    while steps.turn():
        advance(min(steps.positions.values()), steps.goal)
    for follower in steps.followers:
        if follower.position < steps.goal:
            message = f"{follower.name} stopped at position {follower.position}: {follower.fault}"
            raise CheckFailed(message)


def _differences(
    projections: Collection[Projection], live: Connection, fresh: Connection
) -> Iterator[Difference]:
    for projection in projections:
        for table in projection.metadata.tables.values():
            for row, other in _paired(table, fresh, live):
                if other is None or _kept(row) != _kept(other):
                    yield Difference(projection.name, table.name, _key(table, row), other, row)
            for row, other in _paired(table, live, fresh):
                if other is None:
                    yield Difference(projection.name, table.name, _key(table, row), row, None)


def _paired(table: Table, left: Connection, right: Connection) -> Iterator[tuple[Row, Row | None]]:
    """Each row on the left with the one of the same key on the right."""
    rows = left.execution_options(yield_per=_CHUNK).execute(select(table)).mappings()
    for partition in rows.partitions(_CHUNK):
        chunk = [dict(row) for row in partition]
        keys = [_key(table, row) for row in chunk]
        twins = right.execute(select(table).where(tuple_(*table.primary_key).in_(keys))).mappings()
        by_key = {_key(table, row): row for row in map(dict, twins)}
        for row, key in zip(chunk, keys, strict=True):
            yield row, by_key.get(key)


def _kept(row: Row) -> Row:
    """The row as either database keeps it: in PostgreSQL no text has a NUL."""
    return {
        name: value.replace("\0", NUL_SHOWN) if isinstance(value, str) else value
        for name, value in row.items()
    }


def _key(table: Table, row: Row) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in table.primary_key)
