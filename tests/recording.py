"""A real ledger on a real file, callers of it, and ways to hold its writer at a known point."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ledger.application import Ledger
from ledger.clock import Clock, Clocks
from ledger.commands import Command, CreateExecution, Start
from ledger.mapper import Recorded
from ledger.orders import Caller, Receipt
from ledger.unit import Policy
from ledger.writer import Batch
from tests.given import ACTOR, NOON

ACME = Caller("acme", ACTOR)
UMBRELLA = Caller("umbrella", ACTOR)
SECONDS = 20
"""How long a test waits for what must happen; only a failing test waits so long."""


class HandClock:
    """A clock that goes when it is told to."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def monotonic(self) -> float:
        """Seconds, the same that pass on the wall."""
        return (self.now - NOON).total_seconds()

    @property
    def clocks(self) -> Clocks:
        """What a server is told the time by."""
        return Clocks(self, self.monotonic)


class Recording:
    """A ledger, and what became of its commits."""

    def __init__(self, database: Path | str, clock: Clock, policy: Policy | None) -> None:
        self.batches: list[Batch] = []
        self.database = database
        self.ledger = Ledger(
            database, durability="normal", clock=clock, policy=policy, measure=self.batches.append
        )

    @property
    def file(self) -> Path:
        """The SQLite file it is in."""
        assert isinstance(self.database, Path)
        return self.database

    def do(self, command: Command, caller: Caller = ACME, **caller_facts: Any) -> Receipt:
        """Give a command and wait for its receipt."""
        return self.hand_over(command, caller, **caller_facts).result(SECONDS)

    def hand_over(
        self, command: Command, caller: Caller = ACME, *, size: int = 0, **caller_facts: Any
    ) -> "Future[Receipt]":
        """Give a command without waiting."""
        reply: Future[Receipt] = Future()
        self.ledger.submit(command, caller._replace(**caller_facts), reply, size)
        return reply

    def hold(self, command: Command, caller: Caller = ACME) -> "Future[Receipt]":
        """Give a command that waits for the next `release`."""
        reply: Future[Receipt] = Future()
        self.ledger.hold(command, caller, reply)
        return reply

    def pending(self, **facts: Any) -> str:
        """The id of an execution that waits to be worked on."""
        return self.do(created(**facts)).id

    def running(self, **facts: Any) -> str:
        """The id of an execution that somebody works on."""
        id_ = self.pending(**facts)
        self.do(Start(id_, "worker-1"))
        return id_

    def log(self) -> list[Recorded]:
        """Everything that is recorded."""
        return self.ledger.read_log(0, 1_000_000)

    @contextmanager
    def writer_held(self) -> Iterator[None]:
        """Hold the writer right after a commit; what is given meanwhile is its next batch."""
        holding, go_on = threading.Event(), threading.Event()

        def hold(_: Sequence[Recorded]) -> None:
            if not go_on.is_set():
                holding.set()
                go_on.wait(SECONDS)

        self.ledger.subscribe(hold)
        self.hand_over(created(agent_name="Holder"))
        assert holding.wait(SECONDS)
        try:
            yield
        finally:
            go_on.set()


def created(**facts: Any) -> CreateExecution:
    """A command that asks for a run."""
    given: dict[str, Any] = {"mode": "record", "input": {"question": "why"}}
    if "agent_id" not in facts:
        given["agent_name"] = "Writer"
    return CreateExecution(**(given | facts))


def topics(receipt: Receipt) -> list[str]:
    """What was recorded for a command, without the idempotency key."""
    return [event.topic for event in receipt.events if event.topic != "idempotency.used.v1"]


@contextmanager
def recording(
    place: Path | str, *, clock: Clock | None = None, policy: Policy | None = None
) -> Iterator[Recording]:
    """A ledger in a folder or at a URL, closed in the end."""
    database = place / "ledger.db" if isinstance(place, Path) else place
    made = Recording(database, clock or HandClock(), policy)
    try:
        yield made
    finally:
        made.ledger.close()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what must come to pass."""
    patience = threading.Event()
    for _ in range(100 * SECONDS):
        if is_so():
            return
        patience.wait(0.01)
    raise TimeoutError
