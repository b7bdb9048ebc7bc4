"""How long after the caller was told "recorded" a frame is with the readers."""

import asyncio
import json
import re
from collections.abc import Callable
from functools import partial
from time import perf_counter

from tests.bench.client import Reader, Single, reading, request, until
from tests.bench.plan import Plan, note
from tests.bench.process import Server, serving
from tests.bench.recording import EXECUTIONS, frames_to_send, start_runs
from tests.bench.result import Goal, Row, alone, percentile

_READERS = 100
_PAUSE_SECONDS = 0.02
_SEQUENCE = re.compile(rb"\nid: (\d+)\n")
_FRAMES_BEFORE = 2  # created and started
_GOAL = Goal("ours", "at most", 50)


class Watcher(Reader):
    """A reader that tells which frame it received when."""

    def __init__(self, asked: bytes, tell: Callable[[int, float], None]) -> None:
        super().__init__(asked)
        self._tell = tell
        self._unread = b""

    def data_received(self, data: bytes) -> None:
        now = perf_counter()
        whole, end, self._unread = (self._unread + data).rpartition(b"\n\n")
        for sequence in _SEQUENCE.findall(whole + end):
            self._tell(int(sequence), now)
        super().data_received(data)


def measure(plan: Plan) -> list[Row]:
    """Milliseconds from the answer, and from the request, to the frame at each reader."""
    after_answer: list[list[float]] = []
    after_request: list[list[float]] = []
    with serving("ledger", plan.database("lag")) as server:
        for _ in range(plan.rounds):
            (id_,) = start_runs(server, 1)
            server.settle()
            answered, asked = asyncio.run(lags(server, server, id_, plan.choose(50, 200)))
            after_answer.append(answered)
            after_request.append(asked)
    note(f"lag: {len(after_answer[-1]):,} frames at readers")
    what = f"live lag, {_READERS} readers"
    return [
        *rows_of(f"{what}: from the answer to the frame", after_answer),
        *rows_of(f"{what}: from the request to the frame", after_request, _GOAL),
    ]


def rows_of(what: str, rounds: list[list[float]], goal: Goal | None = None) -> list[Row]:
    """The rows of a lag in milliseconds; the goal is that of p99."""
    p50, p99 = ([percentile(lags, percent) for lags in rounds] for percent in (50, 99))
    return [alone(f"{what}, p50", "ms", p50), alone(f"{what}, p99", "ms", p99, goal)]


async def lags(
    writes: Server, reads: Server, id_: str, frames: int
) -> tuple[list[float], list[float]]:
    """Milliseconds from the answer, and from the request, of each frame at each reader.

    Args:
        writes: the server that a client appends to.
        reads: the server of the readers.
        id_: of a run that was just started.
        frames: how many are appended.
    """
    arrived: dict[int, list[float]] = {}

    def tell(sequence: int, at: float) -> None:
        arrived.setdefault(sequence, []).append(at)

    watch = partial(Watcher, request("GET", f"{EXECUTIONS}/{id_}/stream?starting_after=0"), tell)
    async with reading(reads.port, [watch] * _READERS):
        await until(lambda: len(arrived.get(_FRAMES_BEFORE, ())) == _READERS)
        asked, answered = await _append(writes.port, id_, frames)
        await until(lambda: len(arrived.get(_FRAMES_BEFORE + frames, ())) == _READERS)
    since_answer, since_request = [], []
    for place in range(frames):
        for at in arrived[_FRAMES_BEFORE + 1 + place]:
            since_answer.append(1000 * (at - answered[place]))
            since_request.append(1000 * (at - asked[place]))
    return since_answer, since_request


async def _append(port: int, id_: str, frames: int) -> tuple[list[float], list[float]]:
    """Append frames one by one, with a pause; returns when each was asked for and answered."""
    body = json.dumps(frames_to_send(1)[0]).encode()
    append = request("POST", f"{EXECUTIONS}/{id_}/frames", body)
    asked, answered = [], []
    connection = await Single.connect(port)
    for _ in range(frames):
        asked.append(perf_counter())
        answered.append(await connection.ask(append))
        await asyncio.sleep(_PAUSE_SECONDS)
    connection.close()
    return asked, answered
