"""Pages of events from a SQLite file, bounded in bytes, and how one aggregate's are found."""

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from operator import itemgetter
from typing import Final

from ledger.mapper import Recorded, as_recorded
from ledger.sqlite_places import Stretch
from ledger.store import LOG_PAGE_BYTES, PAGE_BYTES

_STRETCHES: Final = (
    "SELECT originator_version, position, more FROM event_stretches WHERE originator_id = ? "
    "AND originator_version >= ifnull((SELECT MAX(originator_version) FROM event_stretches "
    "WHERE originator_id = ? AND originator_version <= ?), 0) AND originator_version <= ? "
    "ORDER BY originator_version"
)
_PLACED: Final = (
    "FROM json_each(?) AS place CROSS JOIN stored_events AS event "
    "ON event.rowid = place.value AND event.originator_id = ?"
)
"""The events at some positions, in their order: a cross join is done in the order written."""

_NAMED_AT_ONCE: Final = 2_000
_FIRST_FETCH: Final = 8
_MOST_FETCHED: Final = 1024
_STATE_OF = itemgetter(Recorded._fields.index("state"))


_OF_LOG: Final = "SELECT rowid, * FROM stored_events WHERE rowid > ? ORDER BY rowid LIMIT ?"
_LAST_UP_TO: Final = "SELECT MAX(rowid) FROM stored_events WHERE rowid <= ?"
_SPARING: Final = (
    "SELECT rowid, * FROM stored_events WHERE rowid > :after AND rowid <= :end "
    "AND (topic NOT IN (SELECT value FROM json_each(:sparing)) OR rowid IN "
    "(SELECT MAX(rowid) FROM stored_events WHERE rowid > :after AND rowid <= :end "
    "GROUP BY originator_id)) ORDER BY rowid"
)


def read_log(cursor: sqlite3.Cursor, after: int, limit: int) -> list[Recorded]:
    """Events of the whole ledger after a position, in order."""
    cursor.execute(_OF_LOG, (after, limit))
    return page(cursor, LOG_PAGE_BYTES)


def read_sparing(
    cursor: sqlite3.Cursor, after: int, limit: int, sparing: Collection[str]
) -> list[Recorded] | None:
    """The same, of some topics only what is the last event of its aggregate.

    None where that is too large for a page: which is the last depends on where a page ends. And
    where so many positions after the first no event is found; there may be some further on.
    """
    (end,) = cursor.execute(_LAST_UP_TO, (after + limit,)).fetchone()
    topics = json.dumps(sorted(sparing))
    cursor.execute(_SPARING, {"after": after, "end": end, "sparing": topics})
    events = page(cursor, LOG_PAGE_BYTES)
    return events if events and events[-1].position == end else None


def read_execution(
    cursor: sqlite3.Cursor, latest: Stretch | None, id_: str, after: int, limit: int, until: int
) -> list[Recorded]:
    """Events of one aggregate after a version, in order, up to `until`: indexed ones or latest."""
    most = min(limit, _NAMED_AT_ONCE)
    positions: list[int] = []
    if latest is None or after + 1 < latest.first:
        last_indexed = until if latest is None else min(until, latest.first - 1)
        positions = next(_indexed(cursor, id_, after, last_indexed, most), [])
    if latest is not None and not positions:
        positions = latest.between(after, until)[:most]
    cursor.execute(f"SELECT event.rowid, event.* {_PLACED}", (_named(positions), id_))
    return page(cursor, PAGE_BYTES)


def count_indexed(cursor: sqlite3.Cursor, id_: str, topic: str, before: int, position: int) -> int:
    """How many events of a topic an aggregate has before a version and up to a position."""
    count = 0
    for positions in list(_indexed(cursor, id_, 0, before - 1, _NAMED_AT_ONCE)):
        cursor.execute(
            f"SELECT COUNT(*) {_PLACED} AND event.rowid <= ? AND event.topic = ?",
            (_named(positions), id_, position, topic),
        )
        count += cursor.fetchone()[0]
    return count


def _indexed(
    cursor: sqlite3.Cursor, id_: str, after: int, until: int, most: int
) -> Iterator[list[int]]:
    """Where the index says that events are, so many positions at a time."""
    positions: list[int] = []
    for row in cursor.execute(_STRETCHES, (id_, id_, after + 1, until)):
        positions += Stretch.of(*row).between(after, until)
        while len(positions) >= most:
            yield positions[:most]
            del positions[:most]
    if positions:
        yield positions


def _named(positions: Sequence[int]) -> str:
    return f"[{','.join(map(str, positions))}]"


def page(cursor: sqlite3.Cursor, most_bytes: int) -> list[Recorded]:
    """Rows up to so many bytes; fetched in pieces whose size follows that of the rows."""
    rows_read: list[Recorded] = []
    size, fetch = 0, _FIRST_FETCH
    while size < most_bytes and (rows := cursor.fetchmany(fetch)):
        rows_read.extend(map(as_recorded, rows))
        size += sum(map(len, map(_STATE_OF, rows)))
        fetch = max(1, min(_MOST_FETCHED, (most_bytes - size) * len(rows_read) // size))
    return rows_read
