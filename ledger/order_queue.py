"""Commands on their way to the writer: a queue with bounds, that can also just wake it."""

import queue
import threading
from collections.abc import Sequence
from typing import NamedTuple

from ledger.errors import LedgerClosed, QueueFull
from ledger.orders import Order

MOST_COMMANDS = 512
MOST_BYTES = 4 * 1024 * 1024
MOST_WAITING = 8_192
MOST_BYTES_WAITING = 256 * 1024 * 1024


class Taken(NamedTuple):
    """What the writer has to do.

    Attributes:
        orders: everything that waits, up to the bounds of a batch.
        woken: whether it was woken for something else.
        last: whether nothing will follow.
    """

    orders: list[Order]
    woken: bool
    last: bool


class OrderQueue:
    """Filled by any thread, emptied by the writer's."""

    def __init__(self) -> None:
        self._signals: queue.SimpleQueue[None] = queue.SimpleQueue()  # one while there is work
        self._lock = threading.Lock()  # guards what follows
        self._signalled = False
        self._ready: list[Order] = []
        self._held: list[Order] = []
        self._waiting = 0
        self._bytes_waiting = 0
        self._woken = False
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many orders wait, those that are held among them."""
        return self._waiting

    def put(self, order: Order) -> None:
        """Hand an order over.

        Raises:
            QueueFull: too much waits already.
            LedgerClosed: the queue is closed.
        """
        with self._lock:
            self._admit(order)
            self._ready.append(order)
            self._signal()

    def hold(self, order: Order) -> bool:
        """Take an order that is handed over by the next `release`, with all that are held by then.

        Returns:
            Whether it is the first of these.

        Raises:
            QueueFull: too much waits already.
            LedgerClosed: the queue is closed.
        """
        with self._lock:
            self._admit(order)
            self._held.append(order)
            return len(self._held) == 1

    def release(self) -> None:
        """Hand over what is held, in order."""
        with self._lock:
            self._release()

    def wake(self) -> None:
        """Have the writer look up, once for any number of calls."""
        with self._lock:
            self._woken = True
            self._signal()

    def close(self) -> None:
        """Take nothing more; what is held is handed over."""
        with self._lock:
            self._closed = True
            self._release()
            self._signal()

    def take(self) -> Taken:
        """Everything that waits, up to the bounds of a batch; waits for the first only."""
        self._signals.get()
        with self._lock:
            self._signalled = False
            orders = self._ready
            size = sum(order.size for order in orders)
            if len(orders) > MOST_COMMANDS or size >= MOST_BYTES:
                count, size = _within_bounds(orders)
                orders, self._ready = orders[:count], orders[count:]
            else:
                self._ready = []
            self._waiting -= len(orders)
            self._bytes_waiting -= size
            if self._ready:
                self._signal()
            woken, self._woken = self._woken, False
            return Taken(orders, woken, self._closed and not self._waiting)

    def _release(self) -> None:
        if self._held:
            self._ready += self._held
            self._held = []
            self._signal()

    def _signal(self) -> None:
        if not self._signalled:
            self._signalled = True
            self._signals.put(None)

    def _admit(self, order: Order) -> None:
        if self._closed:
            raise LedgerClosed("the ledger is shutting down")
        if self._waiting >= MOST_WAITING or self._bytes_waiting > MOST_BYTES_WAITING:
            raise QueueFull("too many commands wait; try again in a moment")
        self._waiting += 1
        self._bytes_waiting += order.size


def _within_bounds(orders: Sequence[Order]) -> tuple[int, int]:
    """How many of the first orders make a batch, and how many bytes these hold."""
    count, size = 0, 0
    for order in orders[:MOST_COMMANDS]:
        if size >= MOST_BYTES:
            break
        count += 1
        size += order.size
    return count, size
