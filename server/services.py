"""What handlers work with: the ledger, the views, the live streams. Built once, in `app.py`."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Final, NamedTuple, TypeVar

from aiohttp import web
from sqlalchemy import Connection

from ledger.application import Ledger
from ledger.commands import Command
from ledger.errors import NotFound, Unavailable
from ledger.heartbeats import Heartbeats
from ledger.orders import Answer, Caller, Receipt, settle
from projections.catch_up import CatchUp
from projections.store import ViewStore
from server.auth import Keyring
from server.limits import Limiter
from server.live import Hub
from server.metrics import Metrics
from server.outflow import Outflows
from server.positions import AT_LEAST
from server.replays import Replays
from server.settings import Settings

T = TypeVar("T")

BEHIND: ContextVar[int] = ContextVar("behind", default=0)
"""How many events the answer to the request at hand lacks, since waiting for them took too long."""


RECORDED: ContextVar[str] = ContextVar("recorded", default="")
"""The id of what the request at hand has recorded; empty while there is nothing."""

OWN_WRITE_SECONDS: Final = 25.0
"""How long the answer to a write waits for the views to show it. To say no would be wrong, for it
is recorded; published clients give up after 30 seconds."""


class ViewsBehind(Unavailable):
    """What was asked for may have been recorded, or was just now; the views do not show it yet."""

    code = "views_behind"

    def __init__(self, events: int, recorded: str = "") -> None:
        message = f"the views are {events} events behind; what was recorded is safe, ask again"
        if recorded:
            message = (
                f"{recorded!r} is recorded, but the views are {events} events behind and do not "
                "show it yet; do not send it again, look at it in a moment"
            )
        super().__init__(message, events=events)


class Services(NamedTuple):
    """Everything a handler may use.

    Attributes:
        settings: as read at the start.
        ledger: the write side, and the log.
        views: the read side's database.
        catch_up: the loop that keeps the views up with the log.
        hub: tells streams that an execution went on.
        keyring: the API keys in force.
        metrics: what is counted.
        readers: the threads on which the databases are read.
        limiter: how much one key may ask for.
        replays: pages of frames from the store.
        outflows: the streams on their way to their readers.
        heartbeats: what servers of the same ledger tell each other; None where there is one only.
    """

    settings: Settings
    ledger: Ledger
    views: ViewStore
    catch_up: CatchUp
    hub: Hub
    keyring: Keyring
    metrics: Metrics
    readers: ThreadPoolExecutor
    limiter: Limiter
    replays: Replays
    outflows: Outflows
    heartbeats: Heartbeats | None = None

    async def record(self, command: Command, caller: Caller, size: int = 0) -> Receipt:
        """Give a command and wait until it is durable. Raises what it is refused with.

        It is decided on nothing older than what its caller knows, within the same bound as a query.
        What one turn of the event loop comes to is handed over at its end, in one piece.
        """
        known = AT_LEAST.get()
        if known and self.ledger.position < known:
            await self._know(known)
        loop = asyncio.get_running_loop()
        receipt: asyncio.Future[Receipt] = loop.create_future()
        if self.ledger.hold(command, caller, receipt, size):
            loop.call_soon(self.ledger.release)
        told = await receipt
        RECORDED.set(told.id)
        return told

    async def _know(self, position: int) -> None:
        """Wait until this server has been told of what another one recorded."""
        clock = asyncio.get_running_loop().time
        until = clock() + self.settings.read_your_writes_seconds
        with self.hub.join_everything() as log:
            log.last = max(log.last, self.ledger.position)
            while log.last < position and await log.went_on(log.last, until - clock()):
                pass

    async def read(self, read: Callable[[], T]) -> T:
        """Read the log on a reader thread."""
        return await asyncio.get_running_loop().run_in_executor(self.readers, read)

    async def query(self, query: Callable[[Connection], T], *, fresh: bool = True) -> T:
        """Query the views on a reader thread, once they hold all that was recorded before.

        That is what this process knows to be recorded, and what the caller does.

        Bounded by `read_your_writes_seconds`, or for what this request recorded itself by
        `OWN_WRITE_SECONDS`; past it the answer is given as the views stand, and says by the header
        `X-Ledger-Behind` how many events it lacks.

        Raises:
            ViewsBehind: nothing was found, but the views lack events that may have told of it.
        """
        if fresh:
            patience = self.settings.read_your_writes_seconds
            if RECORDED.get():
                patience = max(patience, OWN_WRITE_SECONDS)
            position = max(self.ledger.position, AT_LEAST.get())
            if not await self.catch_up.reached(position, patience):
                BEHIND.set(self.catch_up.lacks(position))

        def run() -> T:
            with self.views.reading() as connection:
                return query(connection)

        try:
            return await self.read(run)
        except NotFound as missing:
            if BEHIND.get():
                raise ViewsBehind(BEHIND.get(), RECORDED.get()) from missing
            raise


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)


def deliver_on(loop: asyncio.AbstractEventLoop) -> Callable[[Sequence[Answer]], None]:
    """Give the writer's answers on an event loop, a batch at a time."""

    def give(answers: Sequence[Answer]) -> None:
        for reply, answer in answers:
            if not (isinstance(reply, asyncio.Future) and reply.done()):
                settle(reply, answer)

    def deliver(answers: Sequence[Answer]) -> None:
        loop.call_soon_threadsafe(give, answers)

    return deliver
