"""Views for tests: fresh ones, caught up with a log, and everything that is in them."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import select

from ledger.clock import utc_now
from ledger.mapper import Recorded
from projections.execution_rows import Row, fold
from projections.projection import Log, Projection
from projections.steps import Steps
from projections.store import ViewStore
from tests.stores import fresh_database

Dump = dict[str, set[tuple[Any, ...]]]


@contextmanager
def fresh_views() -> Iterator[ViewStore]:
    """An empty database of views, gone afterwards."""
    with fresh_database() as url:
        store = ViewStore.open(url)
        try:
            yield store
        finally:
            store.close()


def catch_up(
    store: ViewStore, projections: Sequence[Projection], log: Log, page_size: int = 2_000
) -> Steps:
    """Fold the log to its end, without a thread; no event may be parked."""
    steps = Steps(store, projections, log, utc_now, page_size)
    while steps.turn():
        pass
    assert {follower.parked for follower in steps.followers} == {0}
    return steps


def everything_in(store: ViewStore, projections: Collection[Projection]) -> Dump:
    """Every row of every table."""
    with store.reading() as connection:
        return {
            table.name: {tuple(row) for row in connection.execute(select(table))}
            for projection in projections
            for table in projection.metadata.tables.values()
        }


def rows_of(events: Collection[Recorded]) -> dict[str, Row]:
    """By id, the row of each execution, folded from its events alone."""
    by_id: dict[str, list[Recorded]] = {}
    for event in events:
        if event.topic.startswith("execution."):
            by_id.setdefault(event.id, []).append(event)
    return {id_: fold(own) for id_, own in by_id.items()}
