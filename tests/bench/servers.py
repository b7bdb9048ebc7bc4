"""One server and two on the same PostgreSQL, against what its driver does alone.

Servers, database and clients share the machine: how idle its processors are while one server is
asked says how much a second one could add at all.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench import lag, raw_postgres
from tests.bench.client import ask_for
from tests.bench.plan import Plan, note
from tests.bench.process import POSTGRES, Server, serving
from tests.bench.recording import appends, start_runs
from tests.bench.result import Goal, Row, against
from tests.postgres import fresh_schema

_CLIENTS = 64
_MANY_CLIENTS = 128
_RUNS = 256
_BATCH = 100
_IDLE = 3
_FEW_CLIENTS = 4


def measure(plan: Plan) -> list[Row]:
    """Durable commands and frames a second; and what a second server adds to them."""
    singles: list[tuple[float, float]] = []
    batches: list[tuple[float, float]] = []
    sessions: list[tuple[float, float]] = []
    servers: list[tuple[float, float]] = []
    idle: list[tuple[float, float]] = []
    lags: list[list[float]] = []
    with _schema() as url, _servers(plan, url) as two, _schema() as raw:
        one = two[:1]
        ids = start_runs(one[0], _RUNS)
        for _ in range(plan.rounds):
            floor = raw_postgres.per_second(raw, 1, plan.seconds)
            sessions.append((floor, raw_postgres.per_second(raw, 1, plan.seconds, sessions=2)))
            singles.append((floor, _ask(plan, one, ids, 1, _CLIENTS)[0]))
            by_one, rested = _ask(plan, one, ids, 1, _MANY_CLIENTS)
            by_two, rested_less = _ask(plan, two, ids, 1, _MANY_CLIENTS)
            idle.append((rested, rested_less))
            servers.append((by_one, by_two))
            by_hundreds = raw_postgres.per_second(raw, _BATCH, plan.seconds)
            batches.append((by_hundreds, _ask(plan, one, ids, _BATCH, _FEW_CLIENTS)[0]))
            (run,) = start_runs(two[0], 1)
            lags.append(asyncio.run(lag.lags(two[0], two[1], run, plan.choose(50, 200)))[1])
            note(f"servers: {servers[-1][1]:,.0f} commands a second by two")
    what = f"commands of one event, {_CLIENTS} clients"
    return [
        against(
            f"{what}, against one row a transaction by the driver",
            "1/s",
            singles,
            Goal("ratio", "at least", 1.5),
        ),
        against(
            f"frames in batches of {_BATCH}, {_FEW_CLIENTS} clients",
            "1/s",
            batches,
            Goal("ratio", "at least", 0.4),
        ),
        against("one row a transaction by the driver, two sessions against one", "1/s", sessions),
        against(
            f"commands of one event, {_MANY_CLIENTS} clients, two servers against one",
            "1/s",
            servers,
            Goal("ratio", "at least", 1.3),
        ),
        against("processors idle meanwhile, with two servers against one", "%", idle),
        *lag.rows_of(
            "live lag, 100 readers at another server: from the request to the frame",
            lags,
            Goal("ours", "at most", 100),
        ),
    ]


def _jiffies() -> list[int]:
    """What the processors did since the system began: user, nice, system, idle, and so on."""
    return [int(each) for each in Path("/proc/stat").read_text("ascii").split("\n")[0].split()[1:]]


def _idle_percent(before: list[int], after: list[int]) -> float:
    spent = [late - early for early, late in zip(before, after, strict=True)]
    return 100 * spent[_IDLE] / sum(spent)


@contextmanager
def _schema() -> Iterator[str]:
    with fresh_schema(os.environ[POSTGRES]) as url:
        yield url


@contextmanager
def _servers(plan: Plan, url: str) -> Iterator[list[Server]]:
    with ExitStack() as stack:
        files = [plan.database(f"server-{number}") for number in range(2)]
        yield [stack.enter_context(serving("ledger", file, url)) for file in files]


def _ask(
    plan: Plan, servers: list[Server], ids: list[str], frames: int, clients: int
) -> tuple[float, float]:
    """Events a second, the clients spread over the servers; and how idle the processors were."""
    requests = appends(ids, frames)
    ports = [server.port for server in servers]
    before = _jiffies()
    load = ask_for(ports, plan.seconds, clients, lambda: next(requests))
    idle = _idle_percent(before, _jiffies())
    for server in servers:
        server.settle()
    return load.per_second * frames, idle
