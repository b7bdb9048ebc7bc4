"""A whole server on a socket of its own, in a thread; and a caller without any magic."""

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from aiohttp import web

from ledger.clock import CLOCKS, Clocks
from ledger_client.work import AgentSet
from server.app import build_app
from server.settings import Settings


class Caller(NamedTuple):
    """Speaks HTTP to one server."""

    port: int

    def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """One request; the status and the decoded answer."""
        text = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, f"/api/v1{path}", text, headers or {})
            answer = connection.getresponse()
            said = answer.read()
            return answer.status, json.loads(said) if said else None
        finally:
            connection.close()

    def post(self, path: str, body: Any = None) -> Any:
        """A write that must succeed; what it answers."""
        status, answer = self.send("POST", path, {} if body is None else body)
        assert status in (200, 201), (path, answer)
        return answer["data"]

    def stream(self, path: str, headers: dict[str, str] | None = None) -> bytes:
        """A stream to its end, every byte of it."""
        return Reader(self, path, headers).read()


class Reader:
    """An open stream: the server has begun to answer, and what it sends is read in a thread."""

    def __init__(self, caller: Caller, path: str, headers: dict[str, str] | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", caller.port, timeout=30)
        self._connection.request("GET", f"/api/v1{path}", None, headers or {})
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200, self._answer.read()
        self._bytes = self._answer.read(1)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def read(self) -> bytes:
        """Everything, once the server has closed the stream."""
        self._thread.join(30)
        return self._bytes

    def _read(self) -> None:
        self._bytes += self._answer.read()
        self._connection.close()


@contextmanager
def live_server(
    settings: Settings,
    agents: AgentSet | None = None,
    port: int = 0,
    clocks: Clocks = CLOCKS,
) -> Iterator[Caller]:
    """Serve until the block is left; with agents, they work. Port 0 takes a free one."""
    started = threading.Event()
    taken: list[int] = []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    application = build_app(settings, agents=agents, worker=agents is not None, clocks=clocks)

    async def serve() -> None:
        runner = web.AppRunner(application, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        taken.append(runner.addresses[0][1])
        started.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert started.wait(30)
    try:
        yield Caller(taken[0])
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
