"""Opening everything a server works with, and closing it in order."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final

from ledger.application import Ledger
from ledger.clock import Clock, utc_now
from ledger.database import file_of, open_heartbeats
from ledger.heartbeats import Heartbeats
from ledger.price_catalog import Catalog
from ledger.unit import Policy
from projections.catalog import ALL
from projections.catch_up import CatchUp
from projections.keys import active_keys
from projections.leases import Terms, new_holder
from projections.store import ViewStore
from server.auth import Key, Keyring, is_loopback
from server.limits import Limiter
from server.live import Hub
from server.metrics import Metrics
from server.outflow import Outflows
from server.price_updates import start_updates
from server.replays import Replays
from server.services import Services, deliver_on
from server.settings import InvalidSettings, Settings

_READER_THREADS: Final = 6
_REBUILD_SECONDS: Final = 24 * 60 * 60


@asynccontextmanager
async def services_of(settings: Settings, clock: Clock = utc_now) -> AsyncIterator[Services]:
    """Open everything; on leaving, record what was handed over and close in order.

    Raises:
        DatabaseInUse: another process has the ledger, and does not share it.
        InvalidSettings: there is no API key, and the address is not loopback.
    """
    loop = asyncio.get_running_loop()
    metrics = Metrics()
    ledger = _open_ledger(settings, metrics, clock)
    views, catch_up = _open_views(settings, ledger)
    readers = ThreadPoolExecutor(_READER_THREADS, thread_name_prefix="reader")
    hub = Hub()
    ledger.deliver_by(deliver_on(loop))
    ledger.subscribe(lambda recorded: catch_up.wake(recorded[-1].position))
    ledger.subscribe(hub.announce)
    catch_up.start()
    updates = start_updates(settings)
    heartbeats: Heartbeats | None = None
    try:
        heartbeats = open_heartbeats(settings.database)
        keyring = await _keyring(settings, hub, ledger, views, catch_up)
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
            outflows=Outflows(),
            heartbeats=heartbeats,
        )
        yield _watched(services)
    finally:
        if updates is not None:
            await loop.run_in_executor(None, updates.stop)
        # Whoever reads stops first: SQLite does not survive a connection closed under a query.
        await loop.run_in_executor(None, catch_up.stop)
        await loop.run_in_executor(None, readers.shutdown)
        await loop.run_in_executor(None, ledger.close)
        views.close()
        if heartbeats is not None:
            heartbeats.close()


def _open_views(settings: Settings, ledger: Ledger) -> tuple[ViewStore, CatchUp]:
    try:
        views = ViewStore.open(settings.views)
        return views, CatchUp(views, ALL, ledger, terms=Terms(new_holder()))
    except BaseException:
        ledger.close()  # or the next attempt of this process finds it in use
        raise


def policy_of(settings: Settings) -> Policy:
    """What the settings say that decisions depend on."""
    catalog = None if settings.price_list == "none" else Catalog()
    ttl = settings.approval_ttl
    return Policy(settings.prices, ttl, catalog, settings.budget_unpriced_usd)


def _open_ledger(settings: Settings, metrics: Metrics, clock: Clock) -> Ledger:
    return Ledger(
        settings.database,
        durability=settings.durability,
        clock=clock,
        policy=policy_of(settings),
        measure=metrics.committed,
    )


async def _keyring(
    settings: Settings, hub: Hub, ledger: Ledger, views: ViewStore, catch_up: CatchUp
) -> Keyring:
    """The keys in force: nobody is let in before they are known, however long that takes."""
    keyring = Keyring()
    hub.listen(keyring.follow)
    await catch_up.reached(ledger.position, _REBUILD_SECONDS, "keys")
    keyring.take_in(_keys(views))
    _refuse_open_door(settings, keyring)
    return keyring


def _keys(views: ViewStore) -> Sequence[Key]:
    with views.reading() as connection:
        return [Key(*row) for row in active_keys(connection)]


def _refuse_open_door(settings: Settings, keyring: Keyring) -> None:
    if keyring.is_empty and not is_loopback(settings.host):
        database = settings.database if file_of(settings.database) else settings.place
        message = (
            f"LEDGER_HOST: without an API key the server listens on loopback only, not on "
            f"{settings.host}; run `execution-ledger keys create NAME --role admin --database "
            f"{database}` first"
        )
        raise InvalidSettings(message)


def _watched(services: Services) -> Services:
    """The same, with what is read when somebody looks at the metrics."""
    metrics, ledger, catch_up = services.metrics, services.ledger, services.catch_up
    metrics.watch("ledger_position", "Position of the last event.", lambda: ledger.position)
    metrics.watch("ledger_queue_depth", "Commands that wait.", lambda: ledger.waiting)
    metrics.watch("ledger_stream_readers", "Open streams.", lambda: len(services.outflows))
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
        "projection_leads",
        "Read models that this server folds; on a database with several, one does.",
        lambda: catch_up.led,
    )
    metrics.watch(
        "projection_parked_events",
        "Events that some read model could not take.",
        lambda: sum(each.parked for each in catch_up.progress()),
    )
    return services
