"""How far each view has come, and which events it could not take.

A projection has one live build, which queries read, and at times another one in the making. Their
rows here change in the same transaction as the tables they speak of.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    FromClause,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    and_,
    func,
    select,
    tuple_,
)

from ledger.mapper import Recorded
from projections import dialect
from projections.bulk import upsert
from projections.dialect import NUL_SHOWN
from projections.projection import Projection

metadata = MetaData()

_BUILD = "projection", "version", "build"

tracking = Table(
    "tracking",
    metadata,
    Column("projection", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("build", Integer, primary_key=True, comment="counts up; names its tables until live"),
    Column("live", Boolean, nullable=False),
    Column("position", BigInteger, nullable=False, comment="the last one scanned"),
    Column("mark", String, nullable=False, comment="what was recorded there: id and version"),
    Column("tables", Text, nullable=False, comment="as they are called when live, by spaces"),
)

parked_events = Table(
    "parked_events",
    metadata,
    Column("projection", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("build", Integer, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("execution_id", String, nullable=False, comment="or the id of another aggregate"),
    Column("topic", String, nullable=False),
    Column("error", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)


_parked_of_row = (
    select(func.count())
    .select_from(parked_events)
    .where(*(parked_events.c[name] == tracking.c[name] for name in _BUILD))
    .scalar_subquery()
)


class Tracked(NamedTuple):
    """A row of `tracking`."""

    projection: str
    version: int
    build: int
    live: bool
    position: int
    mark: str
    tables: str


class Parked(NamedTuple):
    """A row of `parked_events`: an event that a projection could not take, and why."""

    projection: str
    version: int
    build: int
    position: int
    execution_id: str
    topic: str
    error: str
    at: int


def mark_of(event: Recorded) -> str:
    """What tells this event from any other that could stand at its position in another log."""
    return f"{event.id}/{event.version}"


def tracked(connection: Connection) -> Sequence[Tracked]:
    """Every build there is, of every version."""
    rows = connection.execute(select(tracking).order_by(tracking.c.projection, tracking.c.build))
    return [Tracked(*row) for row in rows]


def live_builds(connection: Connection) -> Sequence[tuple[Tracked, int]]:
    """Every live build, and how many events it could not take."""
    rows = connection.execute(select(tracking, _parked_of_row).where(tracking.c.live))
    return [(Tracked(*row[:-1]), row[-1]) for row in rows]


def builds_of(connection: Connection, projection: Projection) -> Sequence[Tracked]:
    """The builds of this version of a projection, oldest first."""
    return [
        row
        for row in tracked(connection)
        if (row.projection, row.version) == (projection.name, projection.version)
    ]


def add(connection: Connection, row: Tracked) -> None:
    """Begin to track a build."""
    connection.execute(tracking.insert(), row._asdict())


def hold_still(connection: Connection) -> None:
    """Until the transaction ends, nobody else begins, moves, replaces or forgets a build.

    To be done first: who folds into a table has said so here before.
    """
    dialect.hold_still(connection, tracking)


def advance(
    connection: Connection,
    builds: Collection[Tracked],
    after: int,
    last: Recorded,
    fence: FromClause | None = None,
) -> bool:
    """Move builds from one position to that of another event.

    Args:
        connection: in a transaction that writes, and has not written yet.
        builds: that stand at the same position.
        after: that position.
        last: the event to move to.
        fence: projection and version of those that may be moved; None is no limit.

    Returns:
        Whether all of them stood at `after`, and may be moved. If not, somebody else moved or
        replaced one, or leads it, and the transaction must be undone.
    """
    keys = [(row.projection, row.version, row.build) for row in builds]
    is_one = tuple_(tracking.c.projection, tracking.c.version, tracking.c.build).in_(keys)
    standing = tracking.update().where(is_one, tracking.c.position == after)
    if fence is not None:
        standing = standing.where(
            tracking.c.projection == fence.c.projection, tracking.c.version == fence.c.version
        )
    moved = connection.execute(standing.values(position=last.position, mark=mark_of(last)))
    return moved.rowcount == len(builds)


def make_live(connection: Connection, build: Tracked) -> None:
    """Put a build in the place of the live one; its rows are gone with it."""
    forget(connection, build.projection, build.version, live=True)
    connection.execute(
        tracking.update()
        .where(
            tracking.c.projection == build.projection,
            tracking.c.version == build.version,
            tracking.c.build == build.build,
        )
        .values(live=True)
    )


def forget(connection: Connection, projection: str, version: int, *, live: bool) -> None:
    """Track the live build, or those in the making, no more; nor what they parked."""
    which = and_(tracking.c.projection == projection, tracking.c.version == version)
    gone = select(tracking.c.build).where(which, tracking.c.live.is_(live))
    connection.execute(
        parked_events.delete().where(
            parked_events.c.projection == projection,
            parked_events.c.version == version,
            parked_events.c.build.in_(gone),
        )
    )
    connection.execute(tracking.delete().where(which, tracking.c.live.is_(live)))


def park(connection: Connection, build: Tracked, event: Recorded, error: str, at: int) -> None:
    """Note an event that a build could not take."""
    row = Parked(
        build.projection,
        build.version,
        build.build,
        event.position,
        event.id,
        event.topic,
        error.replace("\0", NUL_SHOWN),
        at,
    )
    upsert(connection, parked_events, [row._asdict()])


def parked(connection: Connection) -> Sequence[Parked]:
    """Every event that some build could not take, oldest first."""
    rows = connection.execute(select(parked_events).order_by(parked_events.c.position))
    return [Parked(*row) for row in rows]
