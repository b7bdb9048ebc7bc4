"""A rebuild of every view from the whole log, against reading the same notifications."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from eventsourcing.sqlite import SQLiteApplicationRecorder, SQLiteDatastore

from ledger.application import Ledger
from ledger.database import open_store as open_at
from ledger.migration import move
from ledger.sqlite import open_store
from projections.catalog import ALL
from projections.catch_up import CatchUp
from projections.store import ViewStore
from server.collector import calm_collector
from tests.bench.history import write_log
from tests.bench.plan import Plan, note
from tests.bench.process import POSTGRES
from tests.bench.result import Goal, Row, against, alone
from tests.bench.samples import FIFTY, STREAMED
from tests.postgres import fresh_schema

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
    with _place(file) as place:
        turns = [(place.read(), place.rebuild(turn)) for turn in range(plan.rounds)]
        note(f"rebuild: {turns[-1][1]:,.0f} events a second")
        with calmed():
            rates = [place.rebuild(plan.rounds + turn) for turn in range(plan.rounds)]
    streamed = plan.database("streamed")
    write_log(streamed, plan.choose(25, 375), STREAMED)
    with _place(streamed) as place, calmed():
        of_streamed = [place.rebuild(turn) for turn in range(plan.rounds)]
    what = f"rebuild of all {len(ALL)} views"
    return [
        against(what, "events/s", turns, place.ratio),
        alone(
            f"{what}, as the command does it",
            "events/s",
            rates,
            Goal("ours", "at least", place.goal),
        ),
        alone(f"{what}, runs of 400 events", "events/s", of_streamed),
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


class _OnSQLite:
    """A ledger in a file; each rebuild makes views in a new one beside it."""

    goal = 100_000
    ratio: Goal | None = Goal("ratio", "at least", 0.3)

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> float:
        """Events a second that the library's own way of reading gives."""
        store = SQLiteApplicationRecorder(
            SQLiteDatastore(str(self._file), originator_id_type="text")
        )
        began, events, after = perf_counter(), 0, 0
        while page := store.select_notifications(after, _PAGE, inclusive_of_start=False):
            events, after = events + len(page), page[-1].id
        seconds = perf_counter() - began
        store.datastore.close()
        return events / seconds

    def rebuild(self, turn: int) -> float:
        """Events a second."""
        return _rebuilt(
            self._file, f"sqlite:///{self._file.with_name(f'{self._file.stem}-views-{turn}.db')}"
        )


class _OnPostgres:
    """The same ledger on PostgreSQL, with its views in its schema."""

    goal = 40_000
    ratio: Goal | None = None

    def __init__(self, url: str) -> None:
        self._url = url

    def read(self) -> float:
        """Events a second that the store's pages give."""
        store = open_at(self._url, "full")
        began, after = perf_counter(), 0
        while page := store.read_log(after, _PAGE):
            after = page[-1].position
        seconds = perf_counter() - began
        store.close()
        return after / seconds

    def rebuild(self, _turn: int) -> float:
        """Events a second."""
        return _rebuilt(self._url, self._url)


@contextmanager
def _place(file: Path) -> Iterator[_OnSQLite | _OnPostgres]:
    """The ledger where it is to be measured."""
    server = os.environ.get(POSTGRES)
    if not server:
        yield _OnSQLite(file)
        return
    with fresh_schema(server) as url:
        source, target = open_store(file), open_at(url, "full")
        move(source, target, lambda _position, _end: None)
        source.close()
        target.close()
        note("rebuild: moved the log to PostgreSQL")
        yield _OnPostgres(url)


def _rebuilt(database: Path | str, at: str) -> float:
    views = ViewStore.open(at)
    with Ledger(database) as ledger:
        catch_up = CatchUp(views, ALL, ledger)
        began = perf_counter()
        catch_up.rebuild()
        seconds = perf_counter() - began
        events = ledger.position
    views.close()
    return events / seconds
