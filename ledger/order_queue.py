"""Commands on their way to the writer: a queue with bounds, that can also just wake it."""

import queue
import threading
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
        self._queue: queue.SimpleQueue[Order | None] = queue.SimpleQueue()  # None only wakes
        self._lock = threading.Lock()  # guards what follows
        self._waiting = 0
        self._bytes_waiting = 0
        self._woken = False
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many orders wait."""
        return self._waiting

    def put(self, order: Order) -> None:
        """Hand an order over.

        Raises:
            QueueFull: too much waits already.
            LedgerClosed: the queue is closed.
        """
        with self._lock:
            if self._closed:
                raise LedgerClosed("the ledger is shutting down")
            if self._waiting >= MOST_WAITING or self._bytes_waiting > MOST_BYTES_WAITING:
                raise QueueFull("too many commands wait; try again in a moment")
            self._waiting += 1
            self._bytes_waiting += order.size
            self._queue.put(order)

    def wake(self) -> None:
        """Have the writer look up, once for any number of calls."""
        with self._lock:
            if not self._woken:
                self._woken = True
                self._queue.put(None)

    def close(self) -> None:
        """Take nothing more."""
        with self._lock:
            self._closed = True
            self._queue.put(None)

    def take(self) -> Taken:
        """Everything that waits, up to the bounds of a batch; waits for the first only."""
        orders: list[Order] = []
        size = 0
        order = self._queue.get()
        while True:
            if order is not None:
                orders.append(order)
                size += order.size
            if len(orders) >= MOST_COMMANDS or size >= MOST_BYTES:
                break
            try:
                order = self._queue.get_nowait()
            except queue.Empty:
                break
        with self._lock:
            self._waiting -= len(orders)
            self._bytes_waiting -= size
            woken, self._woken = self._woken, False
            return Taken(orders, woken, self._closed and not self._waiting)
