"""The one thread that writes: it takes every command that waits, decides, commits, answers.

What waits while a commit runs is the next batch; nothing ever waits on purpose. A refusal fails its
own command alone. Nothing is announced or answered before the commit that makes it true; when a
commit fails nothing was recorded, and every command of the batch is told so.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from time import perf_counter
from typing import NamedTuple, TypeVar

import structlog

from ledger.aggregates import Aggregate, Aggregates
from ledger.claims import IdempotencyKey
from ledger.clock import Clock
from ledger.commands import Command
from ledger.errors import KeyReused, LedgerClosed, LedgerError, QueueFull, StoreFailed, Unavailable
from ledger.event import Stamp, Storable
from ledger.mapper import LedgerMapper, Recorded
from ledger.orders import Answer, Caller, Deliver, Order, Receipt, Reply, deliver_directly
from ledger.spending import Spending
from ledger.store import Store
from ledger.unit import Policy, Unit

MOST_COMMANDS = 512
MOST_BYTES = 4 * 1024 * 1024
MOST_WAITING = 8_192
MOST_BYTES_WAITING = 256 * 1024 * 1024

log = structlog.get_logger()
N = TypeVar("N")


class Batch(NamedTuple):
    """A commit that succeeded, for whoever measures.

    Attributes:
        commands: how many it answered, refusals included.
        events: how many it recorded.
        seconds: how long deciding and committing took.
    """

    commands: int
    events: int
    seconds: float


def tell(listener: Callable[[N], object], news: N) -> None:
    """Tell a listener what was committed; one that fails must not stop the writer."""
    try:
        listener(news)
    except Exception:
        log.exception("listener failed", listener=getattr(listener, "__qualname__", "?"))


class _Pending(NamedTuple):
    order: Order
    receipt: Receipt
    events: list[Storable]


class Writer:
    """Owns the store's write side: its thread is the only one that inserts."""

    def __init__(
        self,
        store: Store,
        mapper: LedgerMapper,
        clock: Clock,
        policy: Policy,
        announce: Callable[[Sequence[Recorded]], None],
        measure: Callable[[Batch], None],
    ) -> None:
        self._store = store
        self._mapper = mapper
        self._clock = clock
        self._policy = policy
        self._announce = announce
        self._measure = measure
        self.deliver: Deliver = deliver_directly
        self._aggregates = Aggregates(store, mapper)
        self._spending = Spending()
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._bytes_waiting = 0
        self._lock = threading.Lock()  # guards _bytes_waiting and _closed
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many commands wait."""
        return self._orders.qsize()

    def submit(self, command: Command, caller: Caller, size: int, reply: Reply) -> None:
        """Hand a command over; the reply is given after the commit that records it.

        Args:
            command: what is asked for.
            caller: on whose behalf.
            size: bytes the command holds, for the bound on what may wait.
            reply: where the receipt or the refusal goes, by way of `deliver`.

        Raises:
            QueueFull: too much waits already; nothing was recorded.
            LedgerClosed: the ledger is shutting down; nothing was recorded.
        """
        with self._lock:
            if self._closed:
                raise LedgerClosed("the ledger is shutting down")
            if self.waiting >= MOST_WAITING or self._bytes_waiting > MOST_BYTES_WAITING:
                raise QueueFull("too many commands wait; try again in a moment")
            self._bytes_waiting += size
            self._orders.put(Order(command, caller, size, reply))

    def close(self) -> None:
        """Record everything that was handed over, then stop."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._orders.put(None)
        self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            orders, last = self._take()
            if orders:
                self._process(orders)

    def _take(self) -> tuple[list[Order], bool]:
        """Everything that waits, up to the bounds of a batch; waits for the first only."""
        orders: list[Order] = []
        size = 0
        order = self._orders.get()
        while order is not None:
            orders.append(order)
            size += order.size
            if len(orders) >= MOST_COMMANDS or size >= MOST_BYTES:
                break
            try:
                order = self._orders.get_nowait()
            except queue.Empty:
                break
        with self._lock:
            self._bytes_waiting -= size
        return orders, order is None

    def _process(self, orders: Sequence[Order]) -> None:
        began = perf_counter()
        self._spending.next_batch()
        changed: dict[str, Aggregate] = {}
        accepted: list[_Pending] = []
        answers: list[Answer] = []
        at = self._clock()
        for order in orders:
            try:
                accepted.append(self._decide(order, changed, at))
            except Exception as error:  # a fault of ours in one command must not stop the others
                if not isinstance(error, LedgerError):
                    log.exception("command failed", command=type(order.command).__name__)
                answers.append((order.reply, error))
        events = [event for pending in accepted for event in pending.events]
        try:
            positions = self._store.insert_events(events) if events else ()
        except Exception as error:  # nothing may stop the writer: whoever waits gets an answer
            log.exception("commit failed", events=len(events))
            told = error if isinstance(error, Unavailable) else StoreFailed(str(error))
            answers.extend((each.order.reply, told) for each in accepted)
            for id_ in changed:
                self._aggregates.forget(id_)  # what the store holds is true, whatever it said
            self._spending.forget()
        else:
            for aggregate in changed.values():
                self._aggregates.put(aggregate)
            recorded = _recorded(events, positions)
            tell(self._announce, recorded)
            answers.extend(_receipts(accepted, recorded))
            tell(self._measure, Batch(len(orders), len(events), perf_counter() - began))
        tell(self.deliver, answers)

    def _decide(self, order: Order, changed: dict[str, Aggregate], at: datetime) -> _Pending:
        caller = order.caller
        stamp = Stamp(caller.workspace, caller.actor, at, caller.request)
        unit = Unit(
            self._aggregates,
            changed,
            stamp,
            self._policy,
            expected_version=caller.expected_version,
            role=caller.role,
            spending=self._spending,
        )
        answered = self._answered_before(unit, caller)
        if answered is not None:
            return _Pending(order, answered, [])
        aggregate, subject, budget = order.command.decide(unit)
        receipt = Receipt(aggregate.id, aggregate.version, subject, budget=budget)
        if caller.key is not None:
            used = {"aggregate_id": receipt.id, "version": receipt.version, "subject": subject}
            unit.add(IdempotencyKey.use(stamp, caller.key, digest=caller.digest, **used))
        events = unit.collect(self._mapper)
        changed.update(unit.forks())
        self._spending.add(unit.spent, unit.spent_today)
        return _Pending(order, receipt, events)

    def _answered_before(self, unit: Unit, caller: Caller) -> Receipt | None:
        key = None if caller.key is None else unit.idempotency_key(caller.key)
        if key is None or key.used is None:
            return None
        if key.used.digest != caller.digest:
            raise KeyReused(key.used.key)
        return Receipt(key.used.aggregate_id, key.used.version, key.used.subject, repeated=True)


def _recorded(events: Sequence[Storable], positions: Sequence[int]) -> list[Recorded]:
    return [
        Recorded(position, str(e.originator_id), e.originator_version, e.topic, e.state)
        for e, position in zip(events, positions, strict=True)
    ]


def _receipts(accepted: Sequence[_Pending], recorded: Sequence[Recorded]) -> list[Answer]:
    answers: list[Answer] = []
    start = 0
    for order, receipt, events in accepted:
        own = recorded[start : start + len(events)]
        start += len(events)
        position = own[-1].position if own else 0
        told = receipt._replace(position=position, events=own)
        answers.append((order.reply, told))
    return answers
