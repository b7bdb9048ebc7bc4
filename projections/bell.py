"""What servers that share views on PostgreSQL tell each other at once: a word, and nothing more.

A word may be lost: whoever waits for one looks by itself from time to time. On SQLite there is
nobody to tell.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import structlog
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from projections.dialect import is_shared

MOVED: Final = "moved"
"""Whoever leads has saved a page."""

WANTED: Final = "wanted"
"""Somebody waits for what is recorded to be in the views."""

FREE: Final = "free"
"""Whoever led has given it up."""

_LOOK_SECONDS: Final = 0.5
_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 5.0

_CHANNEL: Final = "SELECT 'ledger_views_' || oid FROM pg_namespace WHERE nspname = current_schema()"
_RING: Final = text(f"SELECT pg_notify(({_CHANNEL}), :said)")

log = structlog.get_logger()


class Bell:
    """Rings at the other servers, and hears them on a thread of its own."""

    def __init__(self, engine: Engine, name: str, heard: Callable[[str], None]) -> None:
        """`heard` is called with each word of others; when words may have been lost, with FREE.

        Args:
            engine: of the views.
            name: of who rings; nobody hears their own name.
            heard: called on the bell's thread.
        """
        self._engine = engine
        self._is_shared = is_shared(engine)
        self._name = name
        self._heard = heard
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.session: int | None = None  # the number of the database session that listens

    def start(self) -> None:
        """Begin to hear."""
        if self._is_shared:
            self._thread = threading.Thread(target=self._listen, name="views-bell", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Hear no more."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def ring(self, word: str) -> None:
        """Tell the others; where the database is away nobody hears it."""
        if not self._is_shared:
            return
        with suppress(SQLAlchemyError), self._engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(_RING, {"said": f"{word} {self._name}"})

    def _listen(self) -> None:
        faults = (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error)
        pause = _PAUSE_SECONDS
        while not self._stopped.is_set():
            try:
                with self._session() as session:
                    pause = _PAUSE_SECONDS
                    self._heard(FREE)
                    self._hear(session)
            except faults as error:
                log.debug("nothing is heard; trying again", error=type(error).__name__)
                self._stopped.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    @contextmanager
    def _session(self) -> Iterator[Any]:
        """A session of the driver's own that listens; nobody else is lent it."""
        lent = self._engine.raw_connection()
        session: Any = lent.driver_connection
        lent.detach()
        try:
            session.autocommit = True
            # Asked of the server: a pooler makes up what the driver knows.
            channel, number = session.execute(f"SELECT ({_CHANNEL}), pg_backend_pid()").fetchone()
            session.execute(f"LISTEN {channel}")
            self.session = number
            yield session
        finally:
            self.session = None
            session.close()

    def _hear(self, session: Any) -> None:
        while not self._stopped.is_set():
            for notice in session.notifies(timeout=_LOOK_SECONDS, stop_after=1):
                word, _, name = notice.payload.partition(" ")
                if name != self._name:
                    self._heard(word)
