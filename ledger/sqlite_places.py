"""Where the events of each aggregate are in a SQLite ledger: an index written behind the log.

An index written with each commit costs it a page for every run that it touches, many times what
the events themselves take. So the latest places are kept in memory, and some thousands of them go
into the index at once, in stretches: a row for many events of a run, not for each. The log alone is
true: what the index lacks is read from it at opening.

Only whoever inserts changes this. Others may read at the same time, if they ask for the latest
places of an aggregate first and the index after that: what leaves the one is in the other by then.
"""

import sqlite3
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain
from struct import Struct, pack
from typing import Final, NamedTuple, Self

import structlog

from ledger.event import Storable
from ledger.store import NO_END

SCHEMA: Final = (
    "DROP TABLE IF EXISTS event_places",
    "CREATE TABLE IF NOT EXISTS event_stretches (originator_id TEXT, originator_version INTEGER, "
    "position INTEGER, more BLOB, PRIMARY KEY (originator_id, originator_version)) WITHOUT ROWID",
)
"""The index: the first event of each stretch, and the positions of those that follow it, eight
bytes each. Its row of no aggregate has the position up to which it holds the log."""

MOST_LATEST: Final = 4_096
"""How many events the index may lack; they take 0.2 MB, or 1.2 MB if each is of another run."""

LAST_STRETCH: Final = (
    "SELECT originator_version, position, more FROM event_stretches "
    "WHERE originator_id = ? AND position <= ? ORDER BY originator_version DESC LIMIT 1"
)
"""The last stretch of an aggregate that begins up to a position."""

_READ_AT_ONCE: Final = 10_000
_WORTH_TELLING: Final = 100_000  # takes half a second
_LONGEST: Final = 100  # a longer row does not fit into a page of the index
_POSITION: Final = Struct("<q")

log = structlog.get_logger()


class Stretch(NamedTuple):
    """Some events of one aggregate, one after the other.

    Attributes:
        first: the version of the first of them, or of the next event where there are none.
        positions: theirs, in order.
    """

    first: int
    positions: list[int]

    @classmethod
    def of(cls, version: int, position: int, more: bytes) -> Self:
        """A stretch as it is in the index."""
        return cls(version, [position, *chain.from_iterable(_POSITION.iter_unpack(more))])

    @property
    def next(self) -> int:
        """The version that follows."""
        return self.first + len(self.positions)

    def between(self, after: int, until: int) -> list[int]:
        """The positions of the events after a version, up to another."""
        return self.positions[max(0, after + 1 - self.first) : max(0, until + 1 - self.first)]

    def last_version(self, position: int) -> int:
        """The version of the last of its events up to a position; the one before if none is."""
        return self.first - 1 + bisect_right(self.positions, position)


class Places:
    """The index of one ledger, for the connection that inserts."""

    def __init__(self, connection: sqlite3.Connection, most_latest: int) -> None:
        """Bring the index near the end of the log; its table must be there."""
        self._connection = connection
        self._most_latest = most_latest
        self._latest: dict[str, Stretch] = {}
        self._indexed = (
            self._one("SELECT position FROM event_stretches WHERE originator_id = ''") or 0
        )
        self._end = self._indexed
        left = (self._one("SELECT MAX(rowid) FROM stored_events") or 0) - self._indexed
        if left > _WORTH_TELLING:
            log.info("indexing the places of events", events=left)
        while self._read_on():
            self.settle()

    def latest(self, id_: str) -> Stretch | None:
        """The latest places of an aggregate; None when the index holds all there are."""
        return self._latest.get(id_)

    def check(self, events: Sequence[Storable]) -> None:
        """Raises sqlite3.IntegrityError unless each event is the next one of its aggregate."""
        expected: dict[str, int] = {}
        for event in events:
            id_ = str(event.originator_id)
            version = expected.get(id_) or self._next(id_)
            if event.originator_version != version:
                message = f"versions are unique: {id_} goes on with {version}"
                raise sqlite3.IntegrityError(message)
            expected[id_] = version + 1

    def add(self, events: Sequence[Storable], positions: Sequence[int]) -> None:
        """Take in events that were inserted just now."""
        for event, position in zip(events, positions, strict=True):
            self._add(str(event.originator_id), event.originator_version, position)

    def catch_up(self) -> None:
        """Take in whatever else is in the log by now."""
        while self._read_on():
            pass

    def settle(self) -> None:
        """Write the latest places to the index, once they are too many."""
        if self._end - self._indexed > self._most_latest:
            self.settle_all()

    def settle_all(self) -> None:
        """Write the latest places to the index, however few they are."""
        self._index()
        self._indexed = self._end
        # Whoever was at work goes on mostly: then the next version need not be looked up.
        self._latest = {
            id_: Stretch(latest.next, [])
            for id_, latest in self._latest.items()
            if latest.positions
        }

    def _read_on(self) -> bool:
        """Take in the next page of the log; whether there was one."""
        rows = self._connection.execute(
            "SELECT originator_id, originator_version, rowid FROM stored_events WHERE rowid > ? "
            "ORDER BY rowid LIMIT ?",
            (self._end, _READ_AT_ONCE),
        ).fetchall()
        for row in rows:
            self._add(*row)
        return bool(rows)

    def _add(self, id_: str, version: int, position: int) -> None:
        latest = self._latest.get(id_)
        if latest is None or version != latest.next:
            if latest is not None and latest.positions:  # a log from which an event was taken
                self.settle_all()
            latest = self._latest[id_] = Stretch(version, [])
        latest.positions.append(position)
        self._end = position

    def _next(self, id_: str) -> int:
        latest = self._latest.get(id_)
        if latest is not None:
            return latest.next
        row = self._connection.execute(LAST_STRETCH, (id_, NO_END)).fetchone()
        return 1 if row is None else Stretch.of(*row).next

    def _index(self) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany(
                "REPLACE INTO event_stretches VALUES (?, ?, ?, ?)", self._stretches()
            )
            connection.execute("REPLACE INTO event_stretches VALUES ('', 0, ?, x'')", (self._end,))
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise

    def _stretches(self) -> Iterator[tuple[str, int, int, bytes]]:
        """The rows of the latest places, in the order of the index."""
        for id_, latest in sorted(self._latest.items()):
            for start in range(0, len(latest.positions), _LONGEST):
                position, *more = latest.positions[start : start + _LONGEST]
                yield id_, latest.first + start, position, pack(f"<{len(more)}q", *more)

    def _one(self, statement: str) -> int | None:
        row = self._connection.execute(statement).fetchone()
        found: int | None = None if row is None else row[0]
        return found
