"""A rebuild of every view from the whole log, against reading the same notifications."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from ledger.application import Ledger
from ledger.sqlite import open_store
from projections.catalog import ALL
from projections.catch_up import CatchUp
from projections.store import ViewStore
from server.collector import calm_collector
from tests.bench.history import write_log
from tests.bench.plan import Plan, note
from tests.bench.result import Goal, Row, against, alone
from tests.bench.samples import FIFTY

_PAGE = 2_000


def measure(plan: Plan) -> list[Row]:
    """Events a second: folded into all views, and only read; and as the command does it.

    The cycle collector as it comes slows the floor more than the fold, for it is the floor that
    makes an object of every event. Floor and fold are compared with it as it comes, as a reader of
    the library would run it; the command sets it as the server does.
    """
    file = plan.database("rebuild")
    write_log(file, plan.choose(200, 3_000), FIFTY)
    note("rebuild: wrote the log")
    turns = [(_read(file), _rebuild(file, turn)) for turn in range(plan.rounds)]
    note(f"rebuild: {turns[-1][1]:,.0f} events a second")
    what = f"rebuild of all {len(ALL)} views"
    with calmed():
        rates = [_rebuild(file, plan.rounds + turn) for turn in range(plan.rounds)]
    return [
        against(what, "events/s", turns, Goal("ratio", "at least", 0.3)),
        alone(
            f"{what}, as the command does it", "events/s", rates, Goal("ours", "at least", 100_000)
        ),
    ]


@contextmanager
def calmed() -> Iterator[None]:
    """The collector as the server sets it."""
    before = gc.get_threshold()
    calm_collector()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _read(file: Path) -> float:
    store = open_store(file)
    began, events, after = perf_counter(), 0, 0
    while page := store.select_notifications(after, _PAGE, inclusive_of_start=False):
        events, after = events + len(page), page[-1].id
    seconds = perf_counter() - began
    store.close()
    return events / seconds


def _rebuild(file: Path, turn: int) -> float:
    views = ViewStore.open(f"sqlite:///{file.with_name(f'views-{turn}.db')}")
    with Ledger(file) as ledger:
        catch_up = CatchUp(views, ALL, ledger)
        began = perf_counter()
        catch_up.rebuild()
        seconds = perf_counter() - began
        events = ledger.position
    views.close()
    return events / seconds
