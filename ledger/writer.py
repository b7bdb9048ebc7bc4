"""The one thread that writes: it takes every command that waits, decides, commits, answers.

What waits while a commit runs is the next batch; nothing ever waits on purpose. A refusal fails its
own command alone. Nothing is announced or answered before the commit that makes it true; when a
commit fails everybody of the batch is told so.

Where other processes write too, it follows what they record: when it is told that there is some,
and before each of its own insertions. A batch that depends on any of it is decided again then,
while nobody else can write. Listeners are told everything in the order of the log.
"""

import threading
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import NamedTuple, TypeVar

import structlog

from ledger.clock import SteadyClock, parse_time
from ledger.commands import Command
from ledger.decisions import Decisions
from ledger.errors import StoreFailed, Unavailable
from ledger.event import COLUMNS_OF, Storable
from ledger.mapper import LedgerMapper, Recorded, as_recorded
from ledger.memory import Memory
from ledger.order_queue import OrderQueue
from ledger.orders import Caller, Deliver, Order, Reply, deliver_directly
from ledger.store import Store
from ledger.unit import Policy

_PAGE = 5_000

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


class Writer:
    """Owns the store's write side: its thread is the only one of this process that inserts."""

    def __init__(
        self,
        store: Store,
        clock: SteadyClock,
        policy: Policy,
        announce: Callable[[Sequence[Recorded]], None],
        measure: Callable[[Batch], None],
        position: int,
    ) -> None:
        self._store = store
        self._mapper = LedgerMapper()
        self._clock = clock
        self._policy = policy
        self._announce = announce
        self._measure = measure
        self.deliver: Deliver = deliver_directly
        self._memory = Memory(store, self._mapper, position)
        self._queue = OrderQueue()
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()
        store.follow(self._queue.wake)

    @property
    def position(self) -> int:
        """The position of the last event that was recorded here, or taken in from others."""
        return self._memory.position

    @property
    def waiting(self) -> int:
        """How many commands wait."""
        return self._queue.waiting

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
        self._queue.put(Order(command, caller, size, reply))

    def hold(self, command: Command, caller: Caller, size: int, reply: Reply) -> bool:
        """The same, but it waits for `release`; whether it is the first that does."""
        return self._queue.hold(Order(command, caller, size, reply))

    def release(self) -> None:
        """Hand over what is held."""
        self._queue.release()

    def close(self) -> None:
        """Record everything that was handed over, then stop."""
        self._queue.close()
        self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            orders, woken, last = self._queue.take()
            if woken:
                self._look()
            if orders:
                self._process(orders)

    def _look(self) -> None:
        """Take in what others recorded; where that fails, an insertion will have to."""
        try:
            while news := self._store.read_log(self.position, _PAGE):
                self.take_in(news)
        except Exception as error:  # nothing may stop the writer
            log.warning("cannot read what others recorded", error=str(error))

    def take_in(self, news: Sequence[Recorded]) -> None:
        """Follow what others recorded after the position, in order, and tell the listeners."""
        self._memory.take_in(news)
        self._announce(news)
        self._clock.not_before(parse_time(news[-1].at))

    def decide(self, orders: Sequence[Order]) -> Decisions:
        """Decide on what is recorded now."""
        return Decisions(orders, self._memory, self._mapper, self._policy, self._clock())

    def _process(self, orders: Sequence[Order]) -> None:
        began = perf_counter()
        turn = _Turn(self, self._memory, orders)
        try:
            positions = self._store.insert_events(turn.decisions.events, turn)
        except Exception as error:  # nothing may stop the writer: whoever waits gets an answer
            log.exception("commit failed", events=len(turn.decisions.events))
            self._queue.wake()  # it may have arrived after all, and is news then
            told = error if isinstance(error, Unavailable) else StoreFailed(str(error))
            tell(self.deliver, [(order.reply, told) for order in orders])
            return
        recorded = _recorded(turn.decisions.events, positions)
        # All is made ready before anybody is told of it: whoever is woken takes the interpreter.
        answers = turn.decisions.answers(recorded)
        if recorded:
            self._keep(turn.decisions, recorded)
        tell(self._measure, Batch(len(orders), len(recorded), perf_counter() - began))
        tell(self.deliver, answers)

    def _keep(self, decisions: Decisions, recorded: Sequence[Recorded]) -> None:
        if recorded[0].position != self.position + 1:
            self._look()  # a commit had arrived before it that was said to have failed
            return
        self._memory.keep(decisions.changed.values(), recorded[-1].position)
        self._announce(recorded)


class _Turn:
    """A batch on its way into the store."""

    def __init__(self, writer: Writer, memory: Memory, orders: Sequence[Order]) -> None:
        self._writer = writer
        self._memory = memory
        self._orders = orders
        self._is_late = False
        self.decisions = writer.decide(orders)

    @property
    def position(self) -> int:
        """Of the last event that was taken in."""
        return self._memory.position

    def take_in(self, news: Sequence[Recorded]) -> None:
        """What others recorded since it was decided."""
        self._writer.take_in(news)
        self._is_late = self.decisions.precede(news[-1])

    def revise(self) -> Sequence[Storable]:
        """Decide again where that changed what it depends on; what is to be inserted now."""
        if self._is_late or self._memory.outdated:
            self.decisions = self._writer.decide(self._orders)
        return self.decisions.events


def _recorded(events: Sequence[Storable], positions: Sequence[int]) -> list[Recorded]:
    rows = zip(positions, map(COLUMNS_OF, events), strict=True)
    return [as_recorded((position, *row)) for position, row in rows]
