"""Work of a worker in a process of its own: how soon it begins, and how many runs it gets done."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter, sleep

from tests.bench.client import HOST, Reader, Single, reading, request, until
from tests.bench.plan import Plan, note
from tests.bench.process import Server, serving
from tests.bench.recording import EXECUTIONS, frames_to_send
from tests.bench.result import Goal, Row, against, alone, percentile
from tests.bench.samples import TEXT
from tests.bench.work import AGENT, FRAMES, SLOTS

_LATENCY_GOAL = Goal("ours", "at most", 50)
_RATE_GOAL = Goal("ratio", "at least", 0.5)
_FEED = "/api/v1/events?after={}"
_A_FRAME = b"event: content_streamed"
_REST_SECONDS = 0.15
_CREATE = request("POST", EXECUTIONS, b'{"agent":"direct","input":{}}')
_USAGE = {"model": "gpt-5-mini", "prompt_tokens": 1200, "completion_tokens": 310}
_STEPS = [
    (step, json.dumps(body).encode())
    for step, body in [
        ("start", {}),
        ("frames", frames_to_send(FRAMES)),
        ("usage", _USAGE),
        ("complete", {"output": {"answer": TEXT}}),
    ]
]


class Worker:
    """A worker that runs."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self._lines = process.stdout
        self.done = 0

    def wait(self, done: int) -> None:
        """Wait until it is done with so many runs."""
        while self.done < done:
            self.done = int(self._lines.readline())


@contextmanager
def _working(server: Server) -> Iterator[Worker]:
    command = [sys.executable, "-m", "tests.bench.work", str(server.port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Worker(process)
        finally:
            process.terminate()


class Frames(Reader):
    """A reader of everything that is recorded, which tells when frames come."""

    def __init__(self, asked: bytes, tell: Callable[[float], None]) -> None:
        super().__init__(asked)
        self._tell = tell

    def data_received(self, data: bytes) -> None:
        if _A_FRAME in data:
            self._tell(perf_counter())
        super().data_received(data)


class Telling(Single):
    """A connection that keeps the body of the last answer."""

    told = b""

    @classmethod
    async def connect(cls, port: int) -> "Telling":
        return (await asyncio.get_running_loop().create_connection(cls, HOST, port))[1]

    def data_received(self, data: bytes) -> None:
        self.told = data.partition(b"\r\n\r\n")[2]
        super().data_received(data)


def measure(plan: Plan) -> list[Row]:
    """Milliseconds until a worker that waits begins; runs a second against direct appends."""
    latencies: list[list[float]] = []
    turns: list[tuple[float, float]] = []
    with serving("ledger", plan.database("workers")) as server, _working(server) as worker:
        agent = _agent(server)
        for _ in range(plan.rounds):
            server.settle()
            number = plan.choose(20, 200)
            latencies.append(asyncio.run(_latencies(server, agent, number)))
            worker.wait(worker.done + number)
        note(f"workers: began {sum(map(len, latencies)):,} runs")
        runs = plan.choose(100, 1000)
        for _ in range(plan.rounds):
            server.settle()
            floor = _rate(runs, partial(_record, server.port, runs))
            server.settle()
            ours = _rate(runs, partial(_work, server.port, agent, worker, runs))
            turns.append((floor, ours))
        note(f"workers: {turns[-1][1]:,.0f} runs a second")
    what = "from execute to the first frame, by a worker that waits"
    p50, p99 = ([percentile(each, percent) for each in latencies] for percent in (50, 99))
    return [
        alone(f"{what}, p50", "ms", p50),
        alone(f"{what}, p99", "ms", p99, _LATENCY_GOAL),
        against(
            f"runs of {FRAMES} frames, one worker with {SLOTS} slots", "1/s", turns, _RATE_GOAL
        ),
    ]


def _agent(server: Server) -> str:
    """The id of the worker's agent, once the worker has made it known."""
    while True:
        for each in server.call("GET", f"/api/v1/agents?name={AGENT}")["data"]:
            id_: str = each["id"]
            return id_
        sleep(0.05)


def _execution(agent: str, rest: float) -> bytes:
    body = json.dumps({"input": {"rest": rest}, "async_mode": True}).encode()
    return request("POST", f"/api/v1/agents/{agent}/execute", body)


# How soon.


async def _latencies(server: Server, agent: str, number: int) -> list[float]:
    """One run after the other; the worker is idle each time, and the run goes on for a while."""
    port = server.port
    after = int(server.meters()["ledger_position"])
    connection = await Single.connect(port)
    asked = _execution(agent, _REST_SECONDS)
    latencies: list[float] = []
    seen: asyncio.Queue[float] = asyncio.Queue()
    feed = (
        f"GET {_FEED.format(after)} HTTP/1.1\r\nHost: {HOST}\r\nAccept: text/event-stream\r\n\r\n"
    )
    async with reading(port, [partial(Frames, feed.encode(), seen.put_nowait)]) as (reader,):
        await until(lambda: reader.received > 0)
        while not seen.empty():
            seen.get_nowait()
        for _ in range(number):
            began = perf_counter()
            await connection.ask(asked)
            latencies.append(1000 * (await seen.get() - began))
            await asyncio.sleep(_REST_SECONDS + 0.05)
            while not seen.empty():
                seen.get_nowait()
    connection.close()
    return latencies


# How many.


def _rate(runs: int, work: "partial[None]") -> float:
    began = perf_counter()
    work()
    return runs / (perf_counter() - began)


def _record(port: int, runs: int) -> None:
    """Record the same runs by hand, over as many connections as the worker has slots."""
    left = iter(range(runs))

    async def record() -> None:
        connection = await Telling.connect(port)
        for _ in left:
            await connection.ask(_CREATE)
            path = f"{EXECUTIONS}/{json.loads(connection.told)['data']['id']}"
            for step, body in _STEPS:
                await connection.ask(request("POST", f"{path}/{step}", body))
        connection.close()

    asyncio.run(_at_once(record))


def _work(port: int, agent: str, worker: Worker, runs: int) -> None:
    """Ask for the runs over as many connections, and wait until the worker is done with them."""
    left = iter(range(runs))
    asked = _execution(agent, 0)

    async def ask() -> None:
        connection = await Single.connect(port)
        for _ in left:
            await connection.ask(asked)
        connection.close()

    end = worker.done + runs
    asyncio.run(_at_once(ask))
    worker.wait(end)


async def _at_once(work: Callable[[], Coroutine[None, None, None]]) -> None:
    await asyncio.gather(*(work() for _ in range(SLOTS)))
