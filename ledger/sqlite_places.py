"""Where the events of each aggregate are in a SQLite ledger: an index written behind the log.

An index written with each commit costs it a page for every run that it touches, many times what
the events themselves take. So the latest places are kept in memory, and some thousands of them go
into the index at once, sorted. The log alone is true: what the index lacks is read from it at
opening.

Only whoever inserts changes this. Others may read at the same time, if they ask for the latest
places of an aggregate first and the index after that: what leaves the one is in the other by then.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

import structlog

from ledger.event import Storable

TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS event_places (originator_id TEXT, originator_version INTEGER, "
    "position INTEGER, PRIMARY KEY (originator_id, originator_version)) WITHOUT ROWID"
)
"""The index. Its row of no aggregate has the position up to which it holds the log."""

MOST_LATEST: Final = 4_096
"""How many events the index may lack; they take 0.2 MB, or 1.2 MB if each is of another run."""

_INDEXED_AT_ONCE: Final = 100_000

log = structlog.get_logger()


class Latest(NamedTuple):
    """The events of one aggregate that the index does not hold, or not yet.

    Attributes:
        first: the version of the first of them, or of the next event where there are none.
        positions: theirs, in order.
    """

    first: int
    positions: list[int]

    @property
    def next(self) -> int:
        """The version of the aggregate's next event."""
        return self.first + len(self.positions)


class Places:
    """The index of one ledger, for the connection that inserts."""

    def __init__(self, connection: sqlite3.Connection, most_latest: int) -> None:
        """Bring the index near the end of the log; its table must be there."""
        self._connection = connection
        self._most_latest = most_latest
        self._latest: dict[str, Latest] = {}
        self._indexed = (
            self._one("SELECT MAX(position) FROM event_places WHERE originator_id = ''") or 0
        )
        self._end = self._indexed
        end = self._one("SELECT MAX(rowid) FROM stored_events") or 0
        while end - self._indexed > most_latest:
            self._index(min(end, self._indexed + _INDEXED_AT_ONCE))
            log.info("places of events indexed", position=self._indexed, end=end)
        self._end = self._indexed
        self.catch_up()

    def latest(self, id_: str) -> Latest | None:
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
        for row in self._connection.execute(
            "SELECT originator_id, originator_version, rowid FROM stored_events WHERE rowid > ?",
            (self._end,),
        ).fetchall():
            self._add(*row)

    def settle(self) -> None:
        """Write the latest places to the index, once they are too many."""
        if self._end - self._indexed > self._most_latest:
            self.settle_all()

    def settle_all(self) -> None:
        """Write the latest places to the index, however few they are."""
        self._index(self._end)
        # Whoever was at work goes on mostly: then the next version need not be looked up.
        self._latest = {
            id_: Latest(latest.next, []) for id_, latest in self._latest.items() if latest.positions
        }

    def _add(self, id_: str, version: int, position: int) -> None:
        latest = self._latest.get(id_)
        if latest is None:
            latest = self._latest[id_] = Latest(version, [])
        latest.positions.append(position)
        self._end = position

    def _next(self, id_: str) -> int:
        latest = self._latest.get(id_)
        if latest is not None:
            return latest.next
        last = self._one(
            "SELECT MAX(originator_version) FROM event_places WHERE originator_id = ?", id_
        )
        return (last or 0) + 1

    def _index(self, until: int) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(
                "INSERT INTO event_places SELECT originator_id, originator_version, rowid "
                "FROM stored_events WHERE rowid > ? AND rowid <= ? ORDER BY 1, 2",
                (self._indexed, until),
            )
            connection.execute("REPLACE INTO event_places VALUES ('', 0, ?)", (until,))
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise
        self._indexed = until

    def _one(self, statement: str, *parameters: str) -> int | None:
        value: int | None
        (value,) = self._connection.execute(statement, parameters).fetchone()
        return value
