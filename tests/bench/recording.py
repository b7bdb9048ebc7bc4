"""Runs recorded over HTTP, and requests that record more of them."""

import json
from collections.abc import Iterator, Sequence
from itertools import cycle

from tests.bench.client import request
from tests.bench.process import Server
from tests.bench.samples import TEXT

EXECUTIONS = "/api/v1/executions"
_AT_ONCE = 500


def start_runs(server: Server, number: int) -> list[str]:
    """Begin so many runs, for the caller to record; returns their ids."""
    return [_start(server) for _ in range(number)]


def record_run(server: Server, frames: int) -> str:
    """Record a finished run with so many frames; returns its id."""
    id_ = _start(server)
    for first in range(0, frames, _AT_ONCE):
        batch = frames_to_send(min(_AT_ONCE, frames - first))
        server.call("POST", f"{EXECUTIONS}/{id_}/frames", batch)
    server.call("POST", f"{EXECUTIONS}/{id_}/complete", {"output": {"answer": TEXT}})
    return id_


def frames_to_send(number: int) -> list[dict[str, str]]:
    """The body of a request with so many frames."""
    return [{"type": "content", "content": TEXT} for _ in range(number)]


def appends(ids: Sequence[str], frames: int) -> Iterator[bytes]:
    """For ever: requests that append frames to the runs in turn; a lone frame is no array."""
    batch = frames_to_send(frames)
    body = json.dumps(batch[0] if frames == 1 else batch).encode()
    return cycle([request("POST", f"{EXECUTIONS}/{id_}/frames", body) for id_ in ids])


def _start(server: Server) -> str:
    created = server.call("POST", EXECUTIONS, {"agent": "bench", "input": {}})
    id_: str = created["data"]["id"]
    server.call("POST", f"{EXECUTIONS}/{id_}/start", {})
    return id_
