"""What the driver alone does on PostgreSQL: the floors there, in the ledger's own table."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from time import perf_counter

import psycopg

from ledger.ids import random_hex
from ledger.postgres import open_store
from tests.bench.samples import TEXT

_INSERT = (
    "INSERT INTO stored_events"
    " (originator_id, originator_version, topic, state, notification_id)"
    " VALUES (%s, %s, %s, %s, %s)"
)
_TOPIC = "execution.content_streamed.v1"
_ENVELOPE_BYTES = 330
_NUMBERS = count(1)  # of the sessions, for positions that no other has

_Row = tuple[str, int, str, bytes, int]


def per_second(url: str, rows: int, seconds: float, sessions: int = 1) -> float:
    """Rows a second that are durable, so many in each transaction, by sessions side by side.

    Args:
        url: of a schema; the table is made.
        rows: of a transaction.
        seconds: how long it goes on.
        sessions: each on a thread of its own, with keys and positions of its own.
    """
    open_store(url).close()
    with ThreadPoolExecutor(sessions) as threads:
        done = [threads.submit(_insert, url, rows, seconds) for _ in range(sessions)]
        return sum(each.result() for each in done) / seconds


def _insert(url: str, rows: int, seconds: float) -> int:
    batches = _batches(rows)
    inserted = 0
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        end = perf_counter() + seconds
        while perf_counter() < end:
            cursor.executemany(_INSERT, next(batches))
            connection.commit()
            inserted += rows
    return inserted


def _batches(rows: int) -> Iterator[list[_Row]]:
    """As large as what the server stores of a frame."""
    state = b"x" * (_ENVELOPE_BYTES + len(TEXT))
    id_ = random_hex(13)
    places = count(next(_NUMBERS) << 40)
    versions = count(1)
    while True:
        yield [(id_, next(versions), _TOPIC, state, next(places)) for _ in range(rows)]
