"""Replays of a finished run, against the same bytes from memory."""

import asyncio
from functools import partial
from time import perf_counter

from tests.bench.client import WARM_UP_SECONDS, BadAnswer, Reader, reading, request
from tests.bench.plan import TURN_SECONDS, Plan, note
from tests.bench.process import serving
from tests.bench.recording import EXECUTIONS, record_run
from tests.bench.result import Goal, Row, against

_FRAMES = 1_000
_READERS = (1, 100)
_GOAL = Goal("ratio", "at least", 0.5)


def measure(plan: Plan) -> list[Row]:
    """Frames a second that readers receive, one and a hundred of them."""
    file = plan.folder / "replay.sse"
    rows: list[Row] = []
    with serving("ledger", plan.database("replay")) as ours:
        path = f"{EXECUTIONS}/{record_run(ours, _FRAMES)}/replay"
        body: bytes = ours.call("GET", path)
        file.write_bytes(body)
        if body.count(b"\nid: ") != _FRAMES + 3:
            message = f"a replay of {_FRAMES} frames has {body.count(b'id: ')}"
            raise BadAnswer(message)
        with serving("memory", file) as floor:
            for readers in _READERS:
                turns = [
                    (
                        _read(floor.port, "/", readers, len(body)),
                        _read(ours.port, path, readers, len(body)),
                    )
                    for _ in range(plan.turns)
                ]
                note(f"replay: {readers} readers, {turns[-1][1]:,.0f} frames a second")
                what = f"replay of {_FRAMES:,} frames, {readers} reader{'s' * (readers > 1)}"
                rows.append(against(what, "frames/s", turns, _GOAL))
    return rows


def _read(port: int, path: str, readers: int, size: int) -> float:
    """Frames a second, by the bytes that arrived."""
    return asyncio.run(_receive(port, path, readers)) / size * _FRAMES


async def _receive(port: int, path: str, readers: int) -> float:
    """Bytes a second."""
    make = partial(Reader, request("GET", path), again=True)
    async with reading(port, [make] * readers) as made:
        await asyncio.sleep(WARM_UP_SECONDS)
        before, began = sum(reader.received for reader in made), perf_counter()
        await asyncio.sleep(TURN_SECONDS)
        return (sum(reader.received for reader in made) - before) / (perf_counter() - began)
