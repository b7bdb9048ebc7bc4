"""Pages of events on PostgreSQL, bounded in bytes by the server."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from psycopg import Cursor
from psycopg.sql import SQL, Composed

from ledger.mapper import Recorded, as_recorded
from ledger.store import LOG_PAGE_BYTES, PAGE_BYTES

COLUMNS: Final = SQL("notification_id, originator_id, originator_version, topic, state")
"""Of a `Recorded`, in order."""

_LEAST_EVENT_BYTES: Final = 128

_Cursor = Cursor[tuple[Any, ...]]


def _page(order: SQL, where: SQL | Composed) -> Composed:
    """Rows up to so many bytes; the server adds up their sizes without reading long ones."""
    return SQL(
        "SELECT {columns} FROM ("
        "SELECT {columns}, sum(octet_length(state)) OVER"
        " (ORDER BY {order} ROWS UNBOUNDED PRECEDING) - octet_length(state) AS before "
        "FROM (SELECT {columns} FROM stored_events WHERE {where}"
        " ORDER BY {order} LIMIT %s) AS rows"
        ") AS sized WHERE before < %s ORDER BY {order}"
    ).format(columns=COLUMNS, order=order, where=where)


_OF_LOG: Final = _page(SQL("notification_id"), SQL("notification_id > %s"))
_WITHIN: Final = SQL("notification_id > %s AND notification_id <= %s")
_LAST_UP_TO: Final = SQL(
    "SELECT max(notification_id) FROM stored_events WHERE notification_id <= %s"
)
_SPARING: Final = _page(
    SQL("notification_id"),
    SQL(
        "{within} AND (topic <> ALL(%s) OR notification_id IN"
        " (SELECT max(notification_id) FROM stored_events WHERE {within} GROUP BY originator_id))"
    ).format(within=_WITHIN),
)
_OF_EXECUTION: Final = _page(
    SQL("originator_version"),
    SQL("originator_id = %s AND originator_version > %s AND originator_version <= %s"),
)


def read_log(cursor: _Cursor, after: int, limit: int) -> list[Recorded]:
    """Events of the whole ledger after a position, in order."""
    return _read(cursor, _OF_LOG, (after,), limit, LOG_PAGE_BYTES)


def read_sparing(
    cursor: _Cursor, after: int, limit: int, sparing: Collection[str]
) -> list[Recorded] | None:
    """The same, of some topics only what is the last event of its aggregate.

    None where that is too large for a page: which is the last depends on where a page ends. And
    where so many positions after the first no event is found; there may be some further on.
    """
    row = cursor.execute(_LAST_UP_TO, (after + limit,)).fetchone()
    within = (after, row[0] if row else None)
    parameters = (*within, sorted(sparing), *within)
    events = _read(cursor, _SPARING, parameters, limit, LOG_PAGE_BYTES)
    return events if events and events[-1].position == within[1] else None


def read_execution(cursor: _Cursor, id_: str, after: int, limit: int, until: int) -> list[Recorded]:
    """Events of one aggregate after a version, in order, up to `until`."""
    return _read(cursor, _OF_EXECUTION, (id_, after, until), limit, PAGE_BYTES)


def _read(
    cursor: _Cursor, page: Composed, parameters: Sequence[Any], limit: int, most_bytes: int
) -> list[Recorded]:
    most_rows = min(limit, most_bytes // _LEAST_EVENT_BYTES)
    cursor.execute(page, (*parameters, most_rows, most_bytes), binary=True)
    return list(map(as_recorded, cursor.fetchall()))
