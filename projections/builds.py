"""Builds: the tables of a projection, the live ones and those in the making.

Live tables have the names that the projection gave them. Those of build 7 in the making have the
suffix `_b7`, and lose it in the transaction that makes them live. Their indexes keep it, since
SQLite cannot rename an index; so a build's number is never used again.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, MetaData

from ledger.mapper import Recorded
from projections import tracking
from projections.dialect import alone, keep_out
from projections.leases import Sole
from projections.projection import Projection
from projections.store import ViewStore, with_names
from projections.tracking import Tracked


class Build(NamedTuple):
    """The tables of a projection, and how far they have come."""

    projection: Projection
    row: Tracked

    @property
    def names(self) -> Mapping[str, str]:
        """What tables and indexes are called while this build is not live; empty when it is."""
        return {} if self.row.live else names_of(self.projection, self.row.build)

    def at(self, last: Recorded) -> "Build":
        """The same build, when it has scanned as far as this event."""
        mark = tracking.mark_of(last)
        return self._replace(row=self.row._replace(position=last.position, mark=mark))


def names_of(projection: Projection, build: int) -> Mapping[str, str]:
    """What tables and indexes of a build in the making are called."""
    return {name: _suffixed(name, build) for name in _names(projection.metadata)}


def names_of_all(builds: Iterable[Build]) -> Mapping[str, str]:
    """What tables and indexes of these builds are called."""
    return {plain: name for build in builds for plain, name in build.names.items()}


def prepare(store: ViewStore) -> None:
    """Make the tables in which builds are tracked, if there are none."""
    with store.writing() as connection:
        alone(connection)
        tracking.metadata.create_all(connection)


def live(store: ViewStore, projections: Sequence[Projection]) -> list[Build]:
    """The live builds of projections; empty tables are made for those that have none.

    In one transaction: one for each takes longer than the tables do.
    """
    with store.writing() as connection:
        found = _live(connection, projections)
        if len(found) < len(projections):
            tracking.hold_still(connection)
            found = _live(connection, projections)  # another server may have made some meanwhile
        return [
            found.get(each.name) or _make(connection, each, number=1, live=True)
            for each in projections
        ]


def begin(store: ViewStore, *projections: Projection) -> list[Build]:
    """Make empty tables beside the live ones. What earlier attempts left behind goes.

    All at once, so that of two that begin to rebuild the same views one gives all of them way.
    """
    live(store, projections)
    with store.writing() as connection:
        tracking.hold_still(connection)
        return [_begin(connection, projection) for projection in projections]


def _begin(connection: Connection, projection: Projection) -> Build:
    rows = tracking.builds_of(connection, projection)
    for row in rows:
        if not row.live:
            _drop(connection, _tables(row))
    tracking.forget(connection, projection.name, projection.version, live=False)
    number = rows[-1].build + 1
    with_names(connection, names_of(projection, number))
    begun = _make(connection, projection, number, live=False)
    with_names(connection, None)
    return begun


def swap(connection: Connection, begun: Collection[Build]) -> None:
    """Put builds in the place of the live ones, whose tables are dropped, in this transaction.

    All are dropped before one is renamed, since SQLite reads what is left of its schema for each.

    Args:
        connection: in a transaction that writes, with plain names, in which builds hold still.
        begun: in the making, and each no less far than the live one.
    """
    tables = {
        name: build.names[name] for build in begun for name in build.projection.metadata.tables
    }
    keep_out(connection)
    _drop(connection, tables)
    for name, other in tables.items():
        connection.exec_driver_sql(f"ALTER TABLE {other} RENAME TO {name}")
    for build in begun:
        tracking.make_live(connection, build.row)


def reset(store: ViewStore, build: Build) -> None:
    """Empty a live build, unless somebody did so already: what it contains is not of this log."""
    projection = build.projection
    with store.writing() as connection:
        tracking.hold_still(connection)
        rows = tracking.builds_of(connection, projection)
        if build.row not in rows:
            return
        for row in rows:
            _drop(connection, _tables(row))
        for is_live in (True, False):
            tracking.forget(connection, projection.name, projection.version, live=is_live)
        _make(connection, projection, number=1, live=True)


def drop_others(
    store: ViewStore, projections: Collection[Projection], leadership: Sole
) -> tuple[list[str], list[str]]:
    """Drop the builds of projections and versions that this code does not know.

    Those that somebody leads are left: a server of another version runs beside this one.

    Returns:
        What was dropped, and what was left, as "name v1".
    """
    known = {(each.name, each.version) for each in projections}
    dropped, left = [], []
    with store.writing() as connection:
        tracking.hold_still(connection)
        in_use = leadership.in_use(connection)
        for row in tracking.tracked(connection):
            which, called = (row.projection, row.version), f"{row.projection} v{row.version}"
            if which in in_use and which not in known:
                left.append(called)
            elif which not in known:
                _drop(connection, _tables(row))
                tracking.forget(connection, row.projection, row.version, live=row.live)
                dropped.append(called)
    return dropped, left


def _live(connection: Connection, projections: Sequence[Projection]) -> dict[str, Build]:
    """Those that there are, by the names of their projections."""
    rows = {row[:2]: row for row in tracking.tracked(connection) if row.live}
    return {
        each.name: Build(each, rows[each.name, each.version])
        for each in projections
        if (each.name, each.version) in rows
    }


def _make(connection: Connection, projection: Projection, number: int, *, live: bool) -> Build:
    projection.metadata.create_all(connection, checkfirst=False)
    tables = " ".join(projection.metadata.tables)
    row = Tracked(projection.name, projection.version, number, live, 0, "", tables)
    tracking.add(connection, row)
    return Build(projection, row)


def _tables(row: Tracked) -> list[str]:
    """What the tables of a build are called in the database."""
    return [name if row.live else _suffixed(name, row.build) for name in row.tables.split(" ")]


def _suffixed(name: str, build: int) -> str:
    return f"{name}_b{build}"


def _drop(connection: Connection, tables: Iterable[str]) -> None:
    for name in tables:
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")


def _names(metadata: MetaData) -> Iterator[str]:
    for table in metadata.tables.values():
        yield table.name
        for index in table.indexes:
            yield str(index.name)
