"""Who folds a view: one process at a time, by a lease whose epoch fences whatever it writes.

A process that has the views to itself, in a SQLite file, leads without a lease.
"""

import os
import socket
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    FromClause,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    case,
    column,
    func,
    literal,
    or_,
    select,
    table,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.dml import ReturningUpdate

from ledger.ids import random_hex
from projections import dialect
from projections.projection import Projection
from projections.store import ViewStore

metadata = MetaData()

leases = Table(
    "view_leases",
    metadata,
    Column("projection", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("holder", String, nullable=False, comment="host, process, and a random part; or nobody"),
    Column("epoch", BigInteger, nullable=False, comment="rises with each holder"),
    Column("session", Integer, comment="of the database, which ends with the holder; if known"),
    Column("until", DateTime(timezone=True), nullable=False, comment="by the database's clock"),
)

_KEY = leases.c.projection, leases.c.version
_NOBODY: Final = ""
_SESSIONS: Final[Select[Any]] = select(column("pid")).select_from(table("pg_stat_activity"))
_LONG_AGO: Final = datetime.fromtimestamp(0, UTC)
_NOW: Final = func.clock_timestamp(type_=DateTime(timezone=True))


def new_holder() -> str:
    """A name that nobody else has, by which people find the process."""
    return f"{socket.gethostname()}/{os.getpid()}/{random_hex(4)}"


THIS_PROCESS: Final = new_holder()
"""Whoever folds in this process without a name of its own leads under this one."""


class Terms(NamedTuple):
    """Of a lease.

    Attributes:
        holder: who asks for it.
        seconds: how long it lasts when it is not renewed.
        renewed_every: seconds after which it is renewed, or asked for again.
    """

    holder: str = THIS_PROCESS
    seconds: float = 10.0
    renewed_every: float = 3.0


class Sole:
    """Leads everything: nobody else folds these views.

    Attributes:
        session: the number of a database session that ends with this process; None while there is
            none.
    """

    session: int | None = None

    def ask(self) -> bool:
        """Renew what is held and take what is free, when it is time; whether that was now."""
        return False

    def doubt(self) -> None:
        """Something may have changed: it is time."""

    def leads(self, _projection: Projection) -> bool:
        """Whether a view is this process's to fold."""
        return True

    def fence(self, _projections: Collection[Projection]) -> FromClause | None:
        """Those of them that are led still, as a table; None where nobody else can lead."""
        return None

    def in_use(self, _connection: Connection) -> Collection[tuple[str, int]]:
        """Name and version of each view that another process leads now."""
        return ()

    def give_up(self) -> None:
        """Let others lead at once."""


class Leases(Sole):
    """Leads what it has a lease of; for one thread.

    A lease is free when it was not renewed in time, and before when its holder's session is gone:
    then its process is, or will soon find out that somebody else leads.
    """

    def __init__(self, store: ViewStore, projections: Collection[Projection], terms: Terms) -> None:
        self._engine = store.engine
        self._terms = terms
        self._keys = [_key(projection) for projection in projections]
        self._epochs: dict[tuple[str, int], int] = {}
        self._due = 0.0
        with store.engine.begin() as connection:
            dialect.alone(connection)
            metadata.create_all(connection)
            connection.execute(
                insert(leases).on_conflict_do_nothing(),
                [_free(projection, version) for projection, version in self._keys],
            )

    def ask(self) -> bool:
        """Renew what is held and take what is free, when it is time; whether that was now."""
        now = monotonic()
        if now < self._due:
            return False
        self._due = now + self._terms.renewed_every  # first: a doubt may come meanwhile
        try:
            with self._engine.begin() as connection:
                rows = connection.execute(self._campaign).all()
        except BaseException:
            self.doubt()
            raise
        self._epochs = {(row.projection, row.version): row.epoch for row in rows}
        return True

    def doubt(self) -> None:
        """Something may have changed: it is time."""
        self._due = 0.0

    def leads(self, projection: Projection) -> bool:
        """Whether a view is this process's to fold; only the fence is sure of it."""
        return _key(projection) in self._epochs

    def fence(self, projections: Collection[Projection]) -> FromClause | None:
        """Those of them that are led still, as a table; None where nobody else can lead.

        They stay so until the transaction ends: whoever would take the lease passes it by.
        """
        holder = self._terms.holder
        held = [(*_key(each), holder, self._epochs.get(_key(each), 0)) for each in projections]
        return (
            select(*_KEY)
            .where(tuple_(*_KEY, leases.c.holder, leases.c.epoch).in_(held))
            .with_for_update(read=True)
            .subquery("led")
        )

    def in_use(self, connection: Connection) -> Collection[tuple[str, int]]:
        """Name and version of each view that another process leads now."""
        others = leases.c.holder != self._terms.holder
        rows = connection.execute(select(*_KEY).where(others, leases.c.until > _NOW))
        return {(row.projection, row.version) for row in rows}

    def give_up(self) -> None:
        """Let others lead at once."""
        self._epochs = {}
        with suppress(SQLAlchemyError), self._engine.begin() as connection:
            connection.execute(
                leases.update()
                .where(leases.c.holder == self._terms.holder)
                .values(holder=_NOBODY, session=None, until=_LONG_AGO)
            )

    @property
    def _campaign(self) -> ReturningUpdate[tuple[str, int, int]]:
        mine = leases.c.holder == self._terms.holder
        free = or_(leases.c.until < _NOW, leases.c.session.not_in(_SESSIONS))
        open_to_us = (
            select(*_KEY)
            .where(tuple_(*_KEY).in_(self._keys), or_(mine, free))
            .with_for_update(skip_locked=True)
            .cte("open_to_us")
        )
        return (
            leases.update()
            .where(*(leases.c[name] == open_to_us.c[name] for name in ("projection", "version")))
            .values(
                holder=self._terms.holder,
                epoch=leases.c.epoch + case((mine, 0), else_=1),
                session=self.session,
                until=_NOW + literal(timedelta(seconds=self._terms.seconds)),
            )
            .returning(*_KEY, leases.c.epoch)
        )


def leadership(store: ViewStore, projections: Collection[Projection], terms: Terms) -> Sole:
    """Who leads is decided by leases where several servers may share the views."""
    if dialect.is_shared(store.engine):
        return Leases(store, projections, terms)
    return Sole()


def _key(projection: Projection) -> tuple[str, int]:
    return projection.name, projection.version


def _free(projection: str, version: int) -> dict[str, object]:
    row = {"projection": projection, "version": version}
    return {**row, "holder": _NOBODY, "epoch": 0, "until": _LONG_AGO}
