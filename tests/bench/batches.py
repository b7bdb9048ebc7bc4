"""Frames in batches of a hundred over HTTP, against raw SQLite, a hundred rows a transaction."""

import sqlite3
from pathlib import Path
from time import perf_counter

from ledger.sqlite import open_store
from tests.bench.client import ask_for
from tests.bench.plan import Plan, note
from tests.bench.process import Server, serving
from tests.bench.recording import appends, start_runs
from tests.bench.result import Goal, Row, against

_BATCH = 100
_CLIENTS = 4
_RUNS = 16
_LAST = "SELECT * FROM stored_events ORDER BY rowid DESC LIMIT 1"
_INSERT = "INSERT INTO stored_events VALUES (?, ?, ?, ?)"
_KEY = "CREATE UNIQUE INDEX key ON stored_events (originator_id, originator_version)"
_Stored = tuple[str, int, str, bytes]


def measure(plan: Plan) -> list[Row]:
    """Frames a second that are durable."""
    file = plan.database("batches")
    transactions = plan.choose(100, 1000)
    with serving("ledger", file) as server:
        ids = start_runs(server, _RUNS)
        _append(server, plan, ids)
        row = _last_row(file)
        turns = [
            (
                _insert(plan.database(f"raw-{turn}"), row, transactions),
                _append(server, plan, ids),
            )
            for turn in range(plan.rounds)
        ]
    note(f"batches: {turns[-1][1]:,.0f} frames a second")
    what = f"frames in batches of {_BATCH}, {_CLIENTS} clients"
    return [against(what, "1/s", turns, Goal("ratio", "at least", 0.4))]


def _append(server: Server, plan: Plan, ids: list[str]) -> float:
    requests = appends(ids, _BATCH)
    load = ask_for([server.port], plan.seconds, _CLIENTS, lambda: next(requests))
    server.settle()
    return load.per_second * _BATCH


def _last_row(file: Path) -> _Stored:
    """A frame as the server stored it: the floor inserts the same."""
    connection = sqlite3.connect(file)
    row: _Stored = connection.execute(_LAST).fetchone()
    connection.close()
    return row


def _insert(file: Path, row: _Stored, transactions: int) -> float:
    """Rows a second that the driver inserts into the same table, as durable, with a key."""
    open_store(file).close()
    id_, _, topic, state = row
    batches = [
        [
            (id_[:-2] + f"{number % _RUNS:02d}", number // _RUNS * _BATCH + place, topic, state)
            for place in range(_BATCH)
        ]
        for number in range(transactions)
    ]
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(_KEY)
    began = perf_counter()
    for batch in batches:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_INSERT, batch)
        connection.execute("COMMIT")
    seconds = perf_counter() - began
    connection.close()
    return transactions * _BATCH / seconds
