"""The database of the views: who may read it, who writes it, and nothing about what is in it."""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError

from projections import dialect
from projections.errors import ViewsAway

_NAMES = "names"


class ViewStore:
    """Connections to the views, for any number of threads; one of them writes at a time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._turn = threading.Lock()
        event.listen(engine, "before_cursor_execute", _with_other_names, retval=True)

    @classmethod
    def open(cls, url: URL | str) -> Self:
        """Open the database of the views, and make it if there is none.

        Args:
            url: `sqlite:///PATH`, or one of PostgreSQL as libpq takes it.
        """
        engine = dialect.open_engine(url)
        dialect.prepare(engine)
        return cls(engine)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection whose reads all see one state of the views. Leave it soon.

        Raises:
            ViewsAway: the database does not answer.
        """
        try:
            with self.engine.connect() as connection:
                dialect.come_in(connection)
                yield connection
        except SQLAlchemyError as error:
            if dialect.is_away(self.engine, error):
                raise ViewsAway from error
            raise

    @contextmanager
    def writing(self, names: Mapping[str, str] | None = None) -> Iterator[Connection]:
        """A connection in a transaction: committed on leaving, undone by an exception.

        Args:
            names: under which other names the tables and indexes of some projections are meant.
        """
        with self._turn, self.engine.connect() as connection:
            connection.execution_options(**{dialect.WRITES: True})
            with_names(connection, names)
            with connection.begin():
                dialect.begin_writing(connection)
                yield connection

    def close(self) -> None:
        """Close every connection that is not in use."""
        self.engine.dispose()


def with_names(connection: Connection, names: Mapping[str, str] | None) -> None:
    """From here on, these names in statements on this connection mean others; None: no more."""
    connection.execution_options(**{_NAMES: (_words(names), names) if names else None})


def _words(names: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile(r"\b(?:{})\b".format("|".join(map(re.escape, names))))


def _with_other_names(
    connection: Connection,
    _cursor: Any,
    statement: str,
    parameters: Any,
    _context: Any,
    _many: bool,
) -> tuple[str, Any]:
    """Put the other names into a statement. Values are bound, so only names can be meant."""
    chosen = connection.get_execution_options().get(_NAMES)
    if chosen is None:
        return statement, parameters
    words, names = chosen

    def other(match: re.Match[str]) -> str:
        name: str = names[match[0]]
        return name

    return words.sub(other, statement), parameters
