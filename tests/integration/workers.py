"""A server with an in-process worker, on no address; and what agents did there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from ledger import commands as c
from ledger.event import Actor
from ledger.mapper import Recorded
from ledger.orders import Caller, Receipt
from ledger_client.work import AgentSet, Run
from server.app import build_app
from server.embedded import EMBEDDED, Embedded
from server.services import SERVICES, Services
from server.settings import Settings
from tests.quick_settings import quick_settings
from tests.stores import database_in

Json = dict[str, Any]

ADA = Caller("default", Actor(type="user", id="ada", auth="api_key"))


class Bench(NamedTuple):
    """What a server works with, and the worker in its process."""

    services: Services
    embedded: Embedded | None

    async def stop(self) -> None:
        """Let the worker stop; the server goes on."""
        assert self.embedded is not None
        await self.embedded.stop()

    async def give(self, command: c.Command) -> Receipt:
        return await self.services.record(command, ADA)

    async def ask(self, agent: str, **more: Any) -> str:
        return await asked(self.services, agent, **more)

    async def events(self, id_: str) -> list[Recorded]:
        def read() -> list[Recorded]:
            events: list[Recorded] = []
            while page := self.services.ledger.read_execution(id_, len(events)):
                events += page
            return events

        return await self.services.read(read)

    async def types(self, id_: str) -> list[str]:
        return [event.type for event in await self.events(id_)]

    async def facts(self, id_: str, type_: str) -> Json:
        return next(event.facts for event in await self.events(id_) if event.type == type_)

    async def lease(self, id_: str) -> str:
        """Under which an execution is worked on."""
        started = [event.facts for event in await self.events(id_) if event.type == "started"]
        lease: str = started[-1]["lease"]
        return lease

    async def answered(self, what: str, times: int) -> None:
        """Wait until the server has answered what workers ask, so many times."""
        meter = f'http_request_seconds_count{{method="POST",route="/api/v1/workers/{what}",'
        async with asyncio.timeout(20):
            while True:
                lines = self.services.metrics.exposition().decode().splitlines()
                counts = [float(each.split()[-1]) for each in lines if each.startswith(meter)]
                if sum(counts) >= times:
                    return
                await asyncio.sleep(0.01)

    async def until(self, id_: str, *types: str) -> None:
        """Wait until the latest event is one of these."""
        async with asyncio.timeout(20):
            with self.services.hub.join(id_) as channel:
                while (events := await self.events(id_))[-1].type not in types:
                    await channel.went_on(events[-1].version, 10)


async def asked(services: Services, agent: str, **more: Any) -> str:
    command = c.CreateExecution(
        mode="execute", agent_name=agent, input=more.pop("input", {}), **more
    )
    return (await services.record(command, ADA)).id


def settings_at(folder: Path, **more: Any) -> Settings:
    return quick_settings(database_in(folder), **({"shutdown_seconds": 0} | more))


@asynccontextmanager
async def working(settings: Settings, agents: AgentSet) -> AsyncIterator[Bench]:
    """A server whose agents work; it stops as on SIGTERM."""
    app = build_app(settings, agents=agents)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    try:
        yield Bench(app[SERVICES], app.get(EMBEDDED))
    finally:
        await runner.cleanup()


class Signal:
    """Something that agents, on their loop, and the test, on its own, tell each other."""

    def __init__(self) -> None:
        self.is_set = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def set(self) -> None:
        self.is_set = True
        for loop, event in self._waiting:
            loop.call_soon_threadsafe(event.set)

    async def wait(self) -> None:
        here = asyncio.Event()
        self._waiting.append((asyncio.get_running_loop(), here))
        if not self.is_set:
            await asyncio.wait_for(here.wait(), 20)


def one_agent(function: Callable[[Run, Any], Any], **more: Any) -> AgentSet:
    agents = AgentSet()
    agents.agent(**{"name": "scribe", "version": "1", **more})(function)
    return agents
