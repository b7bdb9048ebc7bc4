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
            self._queue.put(order)

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
            if not self._woken:
                self._woken = True
                self._queue.put(None)

    def close(self) -> None:
        """Take nothing more; what is held is handed over."""
        with self._lock:
            self._closed = True
            self._release()
            self._queue.put(None)

    def take(self) -> Taken:
        """Everything that waits, up to the bounds of a batch; waits for the first only."""
        orders: list[Order] = []
        size = 0
        order = self._queue.get()
        with self._lock:  # so what is being released is there as a whole
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
            self._waiting -= len(orders)
            self._bytes_waiting -= size
            woken, self._woken = self._woken, False
            return Taken(orders, woken, self._closed and not self._waiting)

    def _release(self) -> None:
        for order in self._held:
            self._queue.put(order)
        self._held.clear()

    def _admit(self, order: Order) -> None:
        if self._closed:
            raise LedgerClosed("the ledger is shutting down")
        if self._waiting >= MOST_WAITING or self._bytes_waiting > MOST_BYTES_WAITING:
            raise QueueFull("too many commands wait; try again in a moment")
        self._waiting += 1
        self._bytes_waiting += order.size
