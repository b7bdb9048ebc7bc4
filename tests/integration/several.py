"""Several servers in this process on one PostgreSQL database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web

from ledger.clock import CLOCKS, Clocks
from ledger_client.work import AgentSet
from server.app import build_app
from server.embedded import EMBEDDED, Embedded
from server.services import SERVICES, Services
from server.settings import Settings
from server.standing import STANDING, Standing
from tests.integration.api import Api
from tests.integration.conftest import serving
from tests.postgres import fresh_schema
from tests.quick_settings import quick_settings

SECONDS = 20.0
"""How long a test waits for what must happen; only a failing test waits so long."""


class Node(NamedTuple):
    """One of the servers, and somebody who speaks to it."""

    app: web.Application
    api: Api

    @property
    def services(self) -> Services:
        return self.app[SERVICES]

    @property
    def standing(self) -> Standing:
        return self.app[STANDING]

    @property
    def embedded(self) -> Embedded:
        return self.app[EMBEDDED]

    async def times(self, type_: str, ids: Collection[str] | None = None) -> int:
        """How often something is recorded, by whichever server; about these ids, if given."""
        ledger = self.services.ledger
        log = await self.services.read(lambda: ledger.read_log(0, 1_000_000))
        return sum(each.type == type_ and (ids is None or each.id in ids) for each in log)


@asynccontextmanager
async def several(
    count: int = 3, clocks: Clocks = CLOCKS, agents: AgentSet | None = None, **more: Any
) -> AsyncIterator[list[Node]]:
    """So many servers of one ledger."""
    async with AsyncExitStack() as stack:
        settings = quick_settings(stack.enter_context(fresh_schema()), **more)
        yield [
            await stack.enter_async_context(node(settings, clocks, agents)) for _ in range(count)
        ]


@asynccontextmanager
async def node(
    settings: Settings, clocks: Clocks = CLOCKS, agents: AgentSet | None = None
) -> AsyncIterator[Node]:
    """One more server."""
    app = build_app(settings, agents=agents, worker=agents is not None, clocks=clocks)
    async with serving(app) as api:
        yield Node(app, api)


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    """What is seen, once it is something."""
    async with asyncio.timeout(SECONDS):
        while True:
            if seen := await look():
                return seen
            await asyncio.sleep(0.02)
