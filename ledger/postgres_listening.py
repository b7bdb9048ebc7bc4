"""Being told that others wrote: a session that listens, and looks each second all the same.

A notification may be lost, with the session or with whoever was about to send it; so nothing
depends on it but how soon news are seen.
"""

import selectors
import socket
import threading
from collections.abc import Callable
from typing import Any, Final

import psycopg
import structlog
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from ledger.postgres_connection import connect

_LOOK_SECONDS: Final = 1.0
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0

log = structlog.get_logger()


class Listening:
    """A thread with a session of its own, which comes back by itself when it is lost."""

    def __init__(
        self, url: str, channel: str, is_own: Callable[[int], bool], told: Callable[[], None]
    ) -> None:
        """Begin to listen.

        Args:
            url: of the database.
            channel: on which notifications are sent.
            is_own: whether this process has the session that sent one, by its number.
            told: called when others wrote, when they may have, and each second.
        """
        self._url = url
        self._channel = Identifier(channel)
        self._is_own = is_own
        self._told = told
        self._stopping = threading.Event()
        self._waker, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="ledger-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._stopping.set()
        self._waker.send(b"x")
        self._thread.join()
        self._waker.close()
        self._woken.close()

    def _run(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            try:
                with connect(self._url) as connection:
                    connection.execute(SQL("LISTEN {}").format(self._channel), prepare=False)
                    pause = _FIRST_PAUSE_SECONDS
                    self._told()  # of whatever was written while nobody listened
                    self._listen(connection)
            except (psycopg.Error, OSError) as error:
                log.warning("cannot listen for what others write", error=str(error))
                self._stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _listen(self, connection: Connection[tuple[Any, ...]]) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._stopping.is_set():
                is_time = not selector.select(_LOOK_SECONDS)
                senders = [each.pid for each in connection.notifies(timeout=0)]
                if is_time or not all(map(self._is_own, senders)):
                    self._told()
