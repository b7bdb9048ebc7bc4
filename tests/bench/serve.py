"""The servers that are measured: `python -m tests.bench.serve KIND FILE [URL]` prints the URL.

ledger: the server, on a database file, or the database at a URL.
unstored: the same server, but commands are answered without recording anything: the floor under
    what HTTP, routing, parsing and answering cost.
memory: nothing but aiohttp, answering every request with the bytes of a file from memory, in
    writes of 64 KiB: the floor under a replay.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from aiohttp import web

from ledger.application import Ledger
from ledger.commands import Append, Command
from ledger.orders import Caller, Receipt, Reply
from server.app import build_app, serve
from server.collector import calm_collector
from server.logs import configure_logs
from server.services import SERVICES
from server.settings import Settings, read_settings
from tests.bench.process import POSTGRES, Kind
from tests.postgres import fresh_schema

_WRITE = 64 * 1024


class Unstored:
    """A ledger that has nothing and forgets everything, but says that it is recorded."""

    position = 0

    def hold(self, command: Command, _caller: Caller, reply: Reply, _size: int = 0) -> bool:
        assert isinstance(command, Append)
        reply.set_result(Receipt(command.execution_id, version=len(command.steps)))
        return False


def unstored(settings: Settings) -> web.Application:
    """The whole server; only the ledger behind its handlers is exchanged."""

    async def exchange(app: web.Application) -> AsyncIterator[None]:
        services = app[SERVICES]
        app[SERVICES] = services._replace(ledger=cast("Ledger", Unstored()))
        yield
        app[SERVICES] = services

    app = build_app(settings, worker=False)
    app.cleanup_ctx.append(exchange)
    return app


def memory(file: Path) -> web.Application:
    """Answers with the bytes of a file."""
    text = memoryview(file.read_bytes())

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for start in range(0, len(text), _WRITE):
            await response.write(text[start : start + _WRITE])
        await response.write_eof()
        return response

    app = web.Application()
    app.router.add_get("/", answer)
    return app


async def run(app: web.Application) -> None:
    """Serve an application as the real server is served."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    calm_collector()
    say(f"http://127.0.0.1:{runner.addresses[0][1]}")
    await stop.wait()
    await runner.cleanup()


def say(url: str) -> None:
    print(url, flush=True)


@contextmanager
def _stored(settings: Settings, url: str) -> Iterator[Settings]:
    """The settings, or the same on PostgreSQL."""
    server = os.environ.get(POSTGRES)
    if url:
        yield settings.model_copy(update={"database": url})
    elif server:
        with fresh_schema(server) as fresh:
            yield settings.model_copy(update={"database": fresh})
    else:
        yield settings


def main(kind: Kind, file: Path, url: str = "") -> None:
    settings = read_settings({}, database=f"sqlite:///{file}", port=0, shutdown_seconds=1)
    configure_logs(settings)
    match kind:
        case "ledger":
            with _stored(settings, url) as stored:
                asyncio.run(serve(stored, worker=False, on_ready=say))
        case "unstored":
            asyncio.run(run(unstored(settings)))
        case "memory":
            asyncio.run(run(memory(file)))


if __name__ == "__main__":
    main(cast("Kind", sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
