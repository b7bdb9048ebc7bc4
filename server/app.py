"""The composition root: what is wired to what, how it starts, how it ends."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final

import structlog
from aiohttp import web
from projections.catalog import ALL
from projections.keys import active_keys

from ledger.application import Ledger
from ledger.mapper import Recorded
from ledger.unit import Policy
from projections.catch_up import CatchUp
from projections.store import ViewStore
from server.agents import AgentSet
from server.api.catalog import ROUTES
from server.auth import Key, Keyring, is_loopback
from server.errors import problems
from server.expiry import expire_approvals
from server.limits import Limiter
from server.live import Hub
from server.metrics import Metrics
from server.observe import observe
from server.replays import Replays
from server.services import SERVICES, Services, deliver_on
from server.settings import InvalidSettings, Settings
from server.worker import Worker

log = structlog.get_logger()

_READER_THREADS: Final = 6


def build_app(
    settings: Settings, *, agents: AgentSet | None = None, worker: bool = True
) -> web.Application:
    """The whole server as an aiohttp application; it opens its files when it starts."""
    app = web.Application(middlewares=[observe, problems], client_max_size=settings.max_body_bytes)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, route.serve)

    async def run(app: web.Application) -> AsyncIterator[None]:
        async with services_of(settings) as services:
            app[SERVICES] = services
            expiry = asyncio.create_task(expire_approvals(services))
            embedded = Worker(services, agents or AgentSet())
            if worker:
                await embedded.start()
            yield
            expiry.cancel()
            await embedded.stop(settings.shutdown_seconds)

    async def end_streams(app: web.Application) -> None:
        app[SERVICES].hub.close()

    app.cleanup_ctx.append(run)
    app.on_shutdown.append(end_streams)
    return app


@asynccontextmanager
async def services_of(settings: Settings) -> AsyncIterator[Services]:
    """Open everything; on leaving, record what was handed over and close in order.

    Raises:
        DatabaseInUse: another process writes to the ledger.
        InvalidSettings: there is no API key, and the address is not loopback.
    """
    loop = asyncio.get_running_loop()
    metrics = Metrics()
    ledger = Ledger(
        settings.path,
        durability=settings.durability,
        policy=Policy(settings.prices, settings.approval_ttl),
        measure=metrics.committed,
    )
    views = ViewStore.open(f"sqlite:///{settings.views_path}")
    catch_up = CatchUp(views, ALL, ledger)
    readers = ThreadPoolExecutor(_READER_THREADS, thread_name_prefix="reader")
    hub = Hub()
    ledger.deliver_by(deliver_on(loop))
    ledger.subscribe(hub.announce)
    ledger.subscribe(lambda recorded: catch_up.wake(recorded[-1].position))
    catch_up.start()
    try:
        await catch_up.reached(ledger.position, 3600, "keys")
        keyring = Keyring(lambda: _keys(views))
        _refuse_open_door(settings, keyring)
        ledger.subscribe(_reload_keys(loop, ledger, catch_up, keyring))
        services = Services(
            settings=settings,
            ledger=ledger,
            views=views,
            catch_up=catch_up,
            hub=hub,
            keyring=keyring,
            metrics=metrics,
            readers=readers,
            limiter=Limiter(settings.max_requests_per_second),
            replays=Replays(ledger),
        )
        _watch(services)
        yield services
    finally:
        # Whoever reads stops first: SQLite does not survive a connection closed under a query.
        await loop.run_in_executor(None, catch_up.stop)
        await loop.run_in_executor(None, readers.shutdown)
        await loop.run_in_executor(None, ledger.close)
        views.close()


async def serve(
    settings: Settings,
    agents: AgentSet | None = None,
    *,
    worker: bool = True,
    on_ready: Callable[[str], None] = lambda url: log.info("serving", url=url),
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what was begun.

    `on_ready` is told the URL once requests are accepted.
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
        on_ready(_url_of(runner))
        await stop.wait()
        log.info("stopping")
    finally:
        await runner.cleanup()


def _url_of(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _keys(views: ViewStore) -> Sequence[Key]:
    with views.reading() as connection:
        return [Key(*row) for row in active_keys(connection)]


def _refuse_open_door(settings: Settings, keyring: Keyring) -> None:
    if keyring.is_empty and not is_loopback(settings.host):
        message = (
            f"LEDGER_HOST: without an API key the server listens on loopback only, not on "
            f"{settings.host}; run `execution-ledger keys create --role admin --database "
            f"{settings.database}` first"
        )
        raise InvalidSettings(message)


def _reload_keys(
    loop: asyncio.AbstractEventLoop, ledger: Ledger, catch_up: CatchUp, keyring: Keyring
) -> Callable[[Sequence[Recorded]], None]:
    """Let a key that was made or revoked count at once, whoever recorded it."""

    async def reload() -> None:
        await catch_up.reached(ledger.position, 60, "keys")
        keyring.reload()

    def listen(recorded: Sequence[Recorded]) -> None:
        if any(event.topic.startswith("key.") for event in recorded):
            asyncio.run_coroutine_threadsafe(reload(), loop)

    return listen


def _watch(services: Services) -> None:
    metrics, ledger, catch_up = services.metrics, services.ledger, services.catch_up
    metrics.watch("ledger_position", "Position of the last event.", lambda: ledger.position)
    metrics.watch("ledger_queue_depth", "Commands that wait.", lambda: ledger.waiting)
    metrics.watch("ledger_stream_readers", "Open streams.", lambda: services.hub.readers)
    metrics.watch(
        "projection_lag_events",
        "Events that the slowest read model has yet to take.",
        lambda: max((each.lag_events for each in catch_up.progress()), default=0),
    )
    metrics.watch(
        "projection_lag_seconds",
        "Age of the oldest event that some read model lacks.",
        lambda: max((each.lag_seconds for each in catch_up.progress()), default=0),
    )
    metrics.watch(
        "projection_parked_events",
        "Events that some read model could not take.",
        lambda: sum(each.parked for each in catch_up.progress()),
    )
