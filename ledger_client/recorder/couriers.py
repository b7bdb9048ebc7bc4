"""The threads that deliver: each track by one of them at a time, and no track is forgotten."""

import logging
from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Lock, Thread

from ledger_client.errors import ApiError, ConnectionFailed
from ledger_client.recorder.delivery import Delivery
from ledger_client.recorder.track import Track
from ledger_client.transport import Transport

log = logging.getLogger("ledger_client")
_THREADS = 4


class Stopped(Exception):
    """The program ends; what waits is left for another one."""


class Couriers:
    """Delivers tracks that are announced, until it is stopped.

    Args:
        transport: to the server.
        finished: called with each track that is over and delivered, on a thread of ours.
    """

    def __init__(self, transport: Transport, finished: Callable[[Track], None]) -> None:
        self._delivery = Delivery(transport, self._rest)
        self._finished = finished
        self._ready: SimpleQueue[Track | None] = SimpleQueue()
        self._waiting: set[Track] = set()
        self._lock = Lock()
        self._stopping = Event()
        self._threads = [
            Thread(target=self._work, name=f"ledger-courier-{n}", daemon=True)
            for n in range(_THREADS)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_idle(self) -> bool:
        """Whether everything that was announced is at the server."""
        return not self._waiting

    @property
    def is_away(self) -> bool:
        """Whether the server did not take the last request."""
        return self._delivery.is_away

    def announce(self, track: Track) -> None:
        """Something was put into the track's journal."""
        with self._lock:
            if track in self._waiting:
                return
            self._waiting.add(track)
        self._ready.put(track)

    def stop(self, seconds: float) -> None:
        """Begin no more requests; wait for those that are under way, at most so long."""
        self._stopping.set()
        for _ in self._threads:
            self._ready.put(None)
        for thread in self._threads:
            thread.join(seconds / len(self._threads))

    def _work(self) -> None:
        while (track := self._ready.get()) is not None:
            try:
                while not self._is_done(track):
                    self._delivery.deliver(track)
            except Stopped:
                return
            except Exception:
                log.exception("recording %s is left for a later program", track.name)
                self._waiting.discard(track)

    def _is_done(self, track: Track) -> bool:
        """Whether nothing waits any more; decided while nobody can announce more."""
        if self._stopping.is_set():
            raise Stopped
        with self._lock:
            assert track.journal is not None
            if track.journal.peek() is not None or (track.is_orphan and not track.is_over):
                return False
            self._waiting.discard(track)
        if track.is_over:
            self._finished(track)
        return True

    def _rest(self, seconds: float, _: ApiError | ConnectionFailed) -> None:
        if self._stopping.wait(seconds):
            raise Stopped
