"""The in-process worker: the client package's own, in a thread, on a socket of the server's own.

It speaks to the server as every other worker does. It has an event loop of its own, so that an
agent that blocks holds up its neighbours, and no request.
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Final

import structlog
from aiohttp import web

from ledger.clock import utc_now
from ledger.event import Actor
from ledger.ids import new_id
from ledger_client import AsyncLedger
from ledger_client.work import AgentSet, Worker
from server.auth import ADMIT, DEFAULT_WORKSPACE, IN_PROCESS, Permission, Principal
from server.settings import InvalidSettings, Settings

_LONGEST_PATH: Final = 100
"""Bytes of a socket's path: what every system allows."""

_LAST_WORDS_SECONDS: Final = 8.0
"""What a worker takes at most to give back what it did not finish."""

_LAST_ANSWERS_SECONDS: Final = 1.0

log = structlog.get_logger()


class Embedded:
    """Runs a program's agents in the server's process. Its methods are for the server's loop.

    Args:
        agents: what it can run.
        settings: of the server.
        address: of a socket on which the server listens for this worker alone.
        name: what is recorded as the worker.
    """

    def __init__(self, agents: AgentSet, settings: Settings, address: str, name: str) -> None:
        self.name = name
        self._grace = settings.shutdown_seconds
        self._ledger = AsyncLedger(address, "", spill=False)
        self._begun: Future[None] = Future()
        self._worker = Worker(
            self._ledger,
            agents,
            slots=settings.worker_slots,
            name=name,
            on_registered=lambda: self._begun.set_result(None),
        )
        self._loop = asyncio.new_event_loop()
        self._is_stopping = False
        self._done: Future[None] = Future()
        self._thread = Thread(target=self._live, name="agents", daemon=True)
        self._thread.start()

    async def begun(self) -> None:
        """Wait until the agents are known. Raises ApiError for one that is refused."""
        await asyncio.shield(asyncio.wrap_future(self._begun))

    async def stop(self) -> None:
        """Take nothing up any more, let what runs finish in time, and give back what does not.

        An agent that blocks to the very end is left behind; the next start takes its run back.
        """
        if self._is_stopping:
            return
        self._is_stopping = True
        with suppress(RuntimeError):  # its loop is closed: it broke off
            self._loop.call_soon_threadsafe(self._worker.stop)
        done = asyncio.wrap_future(self._done)
        await asyncio.wait({done}, timeout=self._grace + _LAST_WORDS_SECONDS)
        await asyncio.to_thread(self._thread.join, _LAST_ANSWERS_SECONDS)
        if self._thread.is_alive():
            log.warning("an agent does not stop; it is left behind", worker=self.name)

    # In the thread.

    def _live(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._work())
        except Exception as fault:
            if self._begun.done():
                log.exception("the in-process worker broke off", worker=self.name)
            else:
                self._begun.set_exception(fault)

    async def _work(self) -> None:
        try:
            async with self._ledger:
                await self._worker.run(self._grace)
        finally:
            self._done.set_result(None)


@asynccontextmanager
async def embedded(
    agents: AgentSet, settings: Settings, door: web.Application
) -> AsyncIterator[Embedded]:
    """A worker that works; on leaving, it stops.

    Args:
        agents: what it can run.
        settings: of the server.
        door: the server's routes, for this worker alone: whoever comes by them is it.

    Raises:
        ApiError: an agent cannot be registered as it is.
        InvalidSettings: there is no place for a socket.
    """
    name = f"embedded-{new_id(utc_now())}"
    actor = Actor(type="worker", id=name, auth=IN_PROCESS)
    principal = Principal(actor, DEFAULT_WORKSPACE, Permission.RECORD)
    door[ADMIT] = lambda _: principal
    with TemporaryDirectory(prefix="execution-ledger-") as folder:  # nobody but its owner may enter
        async with _listening(door, _socket_in(folder)) as address:
            worker = Embedded(agents, settings, address, name)
            try:
                await worker.begun()
                yield worker
            finally:
                await worker.stop()


@asynccontextmanager
async def _listening(door: web.Application, socket: str) -> AsyncIterator[str]:
    runner = web.AppRunner(
        door, handler_cancellation=True, access_log=None, shutdown_timeout=_LAST_ANSWERS_SECONDS
    )
    await runner.setup()
    try:
        await web.UnixSite(runner, socket).start()
        yield f"unix://{socket}"
    finally:
        await runner.cleanup()


def _socket_in(folder: str) -> str:
    socket = str(Path(folder, "socket"))
    if len(socket.encode()) > _LONGEST_PATH:
        message = f"TMPDIR: {socket} is too long for a socket; at most {_LONGEST_PATH} bytes"
        raise InvalidSettings(message)
    return socket


EMBEDDED: web.AppKey[Embedded] = web.AppKey("embedded", Embedded)
