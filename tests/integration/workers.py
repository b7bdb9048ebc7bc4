"""A ledger with an in-process worker on it, without HTTP; and what agents did there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ledger import commands as c
from ledger.event import Actor
from ledger.mapper import Recorded
from ledger.orders import Caller, Receipt
from ledger_client.work import AgentSet
from server.opening import services_of
from server.run import Run
from server.services import Services
from server.settings import Settings, read_settings
from server.worker import Worker
from tests.stores import database_in

Json = dict[str, Any]

ADA = Caller("default", Actor(type="user", id="ada", auth="api_key"))


class Bench(NamedTuple):
    """A ledger, and a worker on it."""

    services: Services
    worker: Worker

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
    return read_settings({}, database=database_in(folder), **more)


@asynccontextmanager
async def working(settings: Settings, agents: AgentSet, grace: float = 0) -> AsyncIterator[Bench]:
    async with services_of(settings) as services:
        worker = Worker(services, agents)
        await worker.start()
        try:
            yield Bench(services, worker)
        finally:
            await worker.stop(grace)


def one_agent(function: Callable[[Run, Any], Any], **more: Any) -> AgentSet:
    agents = AgentSet()
    agents.agent(**{"name": "scribe", "version": "1", **more})(function)
    return agents
