"""Pages of events from a SQLite file, bounded in bytes, and how one aggregate's are found."""

import sqlite3
from operator import itemgetter
from typing import Final

from ledger.mapper import Recorded, as_recorded
from ledger.sqlite_places import Latest
from ledger.store import PAGE_BYTES

PLACED: Final = (
    "event_places AS place CROSS JOIN stored_events AS event "
    "ON event.rowid = place.position AND event.originator_id = place.originator_id"
)
"""The events that the index holds, found by it: a cross join is done in the order written."""

_INDEXED: Final = (
    f"SELECT event.rowid, event.* FROM {PLACED} WHERE place.originator_id = ? "
    "AND place.originator_version > ? AND place.originator_version <= ? "
    "ORDER BY place.originator_version LIMIT ?"
)
_ROWS_NAMED: Final = 500
_FIRST_FETCH: Final = 8
_MOST_FETCHED: Final = 1024
_STATE_OF = itemgetter(Recorded._fields.index("state"))


def read_execution(
    cursor: sqlite3.Cursor, latest: Latest | None, id_: str, after: int, limit: int, until: int
) -> list[Recorded]:
    """Events of one aggregate after a version, in order, up to `until`: indexed ones or latest."""
    if latest is not None and after + 1 >= latest.first:
        return _named(cursor, latest, after, min(limit, until - after, _ROWS_NAMED))
    last_indexed = until if latest is None else min(until, latest.first - 1)
    cursor.execute(_INDEXED, (id_, after, last_indexed, limit))
    return page(cursor, PAGE_BYTES)


def _named(cursor: sqlite3.Cursor, latest: Latest, after: int, most: int) -> list[Recorded]:
    start = after + 1 - latest.first
    positions = latest.positions[start : start + max(0, most)]
    marks = ",".join("?" * len(positions))
    cursor.execute(
        f"SELECT rowid, * FROM stored_events WHERE rowid IN ({marks}) ORDER BY rowid", positions
    )
    return page(cursor, PAGE_BYTES)


def page(cursor: sqlite3.Cursor, most_bytes: int) -> list[Recorded]:
    """Rows up to so many bytes; fetched in pieces whose size follows that of the rows."""
    rows_read: list[Recorded] = []
    size, fetch = 0, _FIRST_FETCH
    while size < most_bytes and (rows := cursor.fetchmany(fetch)):
        rows_read.extend(map(as_recorded, rows))
        size += sum(map(len, map(_STATE_OF, rows)))
        fetch = max(1, min(_MOST_FETCHED, (most_bytes - size) * len(rows_read) // size))
    return rows_read
