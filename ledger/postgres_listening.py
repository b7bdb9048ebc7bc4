"""Being told that others wrote: a session that listens, and looks each second all the same.

A notification may be lost, with the session or with whoever was about to send it; so nothing
depends on it but how soon news are seen. Who is alone sends none. So whoever begins to listen says
so, and each second everybody looks who else is there.
"""

import selectors
import socket
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

import psycopg
import structlog
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from ledger.postgres_connection import connect
from ledger.postgres_right import writers
from ledger.postgres_writing import WritingSession

_LOOK_SECONDS: Final = 1.0
_REST_SECONDS: Final = 0.005  # in which many notifications become one
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0

log = structlog.get_logger()
_Connection = Connection[tuple[Any, ...]]


class Listening:
    """A thread with a session of its own, which comes back by itself when it is lost."""

    def __init__(self, url: str, writing: WritingSession, told: Callable[[], None]) -> None:
        """Begin to listen.

        Args:
            url: of the database.
            writing: the session of this process that writes; it is told whether it has company.
            told: called when others wrote, when they may have, and each second.
        """
        self._url = url
        self._writing = writing
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
                    channel = Identifier(self._writing.channel)
                    connection.execute(SQL("NOTIFY {}").format(channel))  # not heard here
                    connection.execute(SQL("LISTEN {}").format(channel))
                    pause = _FIRST_PAUSE_SECONDS
                    self._listen(connection)
            except (psycopg.Error, OSError) as error:
                log.warning("cannot listen for what others write", error=str(error))
                self._stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _listen(self, connection: _Connection) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            look_at = monotonic()
            while not self._stopping.is_set():
                if monotonic() >= look_at:
                    self._look(connection)
                    look_at = monotonic() + _LOOK_SECONDS
                selector.select(max(0, look_at - monotonic()))
                senders = {each.pid for each in connection.notifies(timeout=0)}
                if senders - {self._writing.pid}:
                    self._writing.has_company = True
                    self._told()
                self._stopping.wait(_REST_SECONDS)

    def _look(self, connection: _Connection) -> None:
        self._writing.has_company = writers(connection) > 1
        self._told()
