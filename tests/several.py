"""Several servers' loops over the views of one PostgreSQL database, in one process."""

from sqlalchemy import text

from projections.catch_up import CatchUp
from projections.leases import Terms
from projections.projection import Log, Projection
from projections.store import ViewStore

NEVER = 10_000.0


def loop_of(
    holder: str,
    store: ViewStore,
    log: Log,
    *projections: Projection,
    renewed_every: float = 0.0,
    page_size: int = 2_000,
) -> CatchUp:
    """The loop of a server: its lease lasts until the test lets it expire."""
    terms = Terms(holder, seconds=NEVER, renewed_every=renewed_every)
    return CatchUp(store, projections, log, terms=terms, page_size=page_size)


def let_leases_expire(store: ViewStore) -> None:
    """Time passes for the database, and whoever leads has not renewed its leases."""
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE view_leases SET until = until - interval '100000 seconds'"))


def turn_until_done(*loops: CatchUp) -> None:
    """Turn each until none of them folds anything."""
    while sum(loop.turn() for loop in loops):
        pass


def leads(loop: CatchUp) -> bool:
    """Whether it folds everything; never only a part."""
    [answer] = {progress.leads for progress in loop.progress()}
    return answer
