"""How soon a replay of a long, old run begins, with nothing of it in any cache of ours."""

import os
import socket
from pathlib import Path
from time import perf_counter

from tests.bench.client import HOST, BadAnswer, request
from tests.bench.history import write_log
from tests.bench.plan import Plan, note
from tests.bench.process import serving
from tests.bench.recording import EXECUTIONS
from tests.bench.result import Goal, Row, alone, percentile
from tests.bench.samples import Shape

_EVENTS = 10_000
_LONG = Shape(contents=_EVENTS - 3)
_FROM = (0, _EVENTS // 2, _EVENTS * 9 // 10)
_GOAL = Goal("ours", "at most", 50)


def measure(plan: Plan) -> list[Row]:
    """Milliseconds from connecting to the first frame; each run is asked for at three places."""
    file = plan.database("first-frame")
    ids = write_log(file, plan.choose(4, 40), _LONG, samples=1)
    note(f"first frame: wrote {len(ids)} runs of {_EVENTS:,} events")
    with serving("ledger", file) as server:
        server.settle()
        times = []
        for after in _FROM:
            for id_ in ids:
                _forget(file)
                path = f"{EXECUTIONS}/{id_}/replay?starting_after={after}"
                times.append(1000 * _first_frame(server.port, path))
    what = f"first frame of a replay, {_EVENTS:,} events, cold"
    return [
        alone(f"{what}: p50", "ms", [percentile(times, 50)]),
        alone(f"{what}: p99 of {len(times)}", "ms", [percentile(times, 99)], _GOAL),
    ]


def _first_frame(port: int, path: str) -> float:
    began = perf_counter()
    with socket.create_connection((HOST, port)) as connection:
        connection.sendall(request("GET", path))
        text = b""
        while b"\nevent: " not in text:
            data = connection.recv(65536)
            if not data:
                raise BadAnswer(text[:2000].decode(errors="replace"))
            text += data
        return perf_counter() - began


def _forget(file: Path) -> None:
    """Let the system drop what it has of the file, where it can."""
    if hasattr(os, "posix_fadvise"):
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
