"""Memory of the server: for readers who wait, and for replays of long runs."""

import asyncio
from functools import partial
from pathlib import Path

from tests.bench.client import Reader, reading, request, until
from tests.bench.history import write_log
from tests.bench.plan import Plan, note
from tests.bench.process import Server, serving
from tests.bench.recording import EXECUTIONS, start_runs
from tests.bench.result import Goal, Row, alone
from tests.bench.samples import Shape

_READERS = 1_000
_RUNS = 50
_GOAL = Goal("ours", "at most", 16)
_LENGTHS = (10_000, 100_000, 400_000)
_SEEN = 400  # bytes: the head of the answer and the frames of a run that was just started


def measure(plan: Plan) -> list[Row]:
    """KiB for each idle reader; MiB by which replays of short and long runs raise the peak."""
    readers = plan.choose(200, _READERS)
    each = [_idle(plan, readers, turn) for turn in range(plan.rounds)]
    note(f"memory: {each[-1]:.1f} KiB for each reader")
    rows = [alone(f"memory of each of {readers:,} idle readers", "KiB", each, _GOAL)]
    for events in _LENGTHS[: plan.choose(1, 3)]:
        file = plan.database(f"memory-{events}")
        (id_,) = write_log(file, 1, Shape(contents=events - 3), samples=1)
        for count in (1, 4):
            grown = [_replayed(file, id_, count) for _ in range(plan.rounds)]
            what = f"memory for {count} replay{'s' * (count > 1)} of {events:,} events, peak"
            rows.append(alone(what, "MiB", grown))
        note(f"memory: replays of {events:,} events")
    return rows


def _idle(plan: Plan, readers: int, turn: int) -> float:
    """What each reader of a run in flight adds, who has seen what there is and waits."""
    with serving("ledger", plan.database(f"idle-{turn}")) as server:
        ids = start_runs(server, _RUNS)
        makers = [partial(Reader, _stream(ids[n % _RUNS])) for n in range(readers)]
        asyncio.run(_stay(server, makers[:_RUNS]))
        before = server.resident_kib()
        return (asyncio.run(_stay(server, makers)) - before) / readers


async def _stay(server: Server, makers: list[partial[Reader]]) -> int:
    """The server's memory while these read and have seen everything."""
    async with reading(server.port, makers) as readers:
        await until(lambda: all(reader.received >= _SEEN for reader in readers))
        await asyncio.sleep(0.5)
        return server.resident_kib()


def _replayed(file: Path, id_: str, readers: int) -> float:
    """By how many MiB the peak rises while so many replay the same run on a fresh server."""
    with serving("ledger", file) as server:
        path = f"{EXECUTIONS}/{id_}/replay"
        asyncio.run(_replay(server.port, f"{path}?until=500", 1))
        server.forget_peak()
        before = server.resident_kib()
        asyncio.run(_replay(server.port, path, readers))
        return (server.peak_kib() - before) / 1024


async def _replay(port: int, path: str, readers: int) -> None:
    async with reading(port, [partial(Reader, request("GET", path))] * readers) as made:
        await asyncio.gather(*(reader.ended for reader in made))


def _stream(id_: str) -> bytes:
    return request("GET", f"{EXECUTIONS}/{id_}/stream?starting_after=0")
