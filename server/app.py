"""The composition root: what is wired to what, how it starts, how it ends."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable

import structlog
from aiohttp import web

from ledger.clock import CLOCKS, Clocks
from ledger_client.work import AgentSet
from server.api.catalog import BUSIEST_FIRST
from server.auth import ADMIT, Principal
from server.collector import calm_collector
from server.dispatch import DISPATCH, Dispatch
from server.embedded import EMBEDDED, embedded
from server.errors import problems
from server.expiry import expire_approvals
from server.families import Families
from server.observe import observe
from server.opening import services_of
from server.services import SERVICES, Services
from server.settings import Settings
from server.standing import STANDING, Standing

log = structlog.get_logger()


def build_app(
    settings: Settings,
    *,
    agents: AgentSet | None = None,
    worker: bool = True,
    clocks: Clocks = CLOCKS,
) -> web.Application:
    """The whole server as an aiohttp application; it opens its files when it starts."""
    app = _routed(settings)

    async def run(app: web.Application) -> AsyncIterator[None]:
        async with services_of(settings, clocks.wall) as services:
            expiry = asyncio.create_task(expire_approvals(services, clocks.wall))
            letting_go = asyncio.create_task(services.outflows.let_go())
            standing = Standing(services, clocks)
            families = Families(services)
            dispatch = Dispatch(services, standing)
            door = _routed(settings)
            for each in (app, door):
                each[SERVICES] = services
                each[STANDING] = standing
                each[DISPATCH] = dispatch
            app[ADMIT] = _by_key(services)
            try:
                await standing.start()
                await families.start()
                if worker and agents:
                    async with embedded(agents, settings, door) as app[EMBEDDED]:
                        yield
                else:
                    yield
            finally:
                expiry.cancel()
                await families.stop()
                await standing.stop()
                letting_go.cancel()

    async def wind_down(app: web.Application) -> None:
        """What runs in this process finishes while everything it needs is there."""
        if EMBEDDED in app:
            await app[EMBEDDED].stop()
        app[SERVICES].hub.close()
        app[STANDING].close()

    app.cleanup_ctx.append(run)
    app.on_shutdown.append(wind_down)
    return app


def _routed(settings: Settings) -> web.Application:
    app = web.Application(middlewares=[observe, problems], client_max_size=settings.max_body_bytes)
    for route in BUSIEST_FIRST:
        app.router.add_route(route.method, route.path, route.serve)
        if route.public and route.method == "GET":  # what is asked for by probes, some by HEAD
            app.router.add_route("HEAD", route.path, route.serve)
    return app


def _by_key(services: Services) -> Callable[[web.Request], Principal]:
    """Who comes over the network is known by an API key, and may ask for so much."""

    def admit(request: web.Request) -> Principal:
        principal = services.keyring.authenticate(request)
        services.limiter.admit(principal)
        return principal

    return admit


async def serve(
    settings: Settings,
    agents: AgentSet | None = None,
    *,
    worker: bool = True,
    on_ready: Callable[[str], None] = lambda url: log.info("serving", url=url),
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was begun.

    `on_ready` is told the URL once requests are accepted.

    Raises:
        DatabaseInUse: another process has the ledger, and does not share it.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    runner = web.AppRunner(
        build_app(settings, agents=agents, worker=worker),
        handler_cancellation=True,
        access_log=None,
        shutdown_timeout=settings.shutdown_seconds,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
        calm_collector()
        on_ready(_url_of(runner))
        await stop.wait()
        log.info("stopping")
    finally:
        await runner.cleanup()


def _url_of(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
