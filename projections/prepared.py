"""A statement that is compiled once and then asked with other values.

Making and compiling a statement takes longer than running it, so whoever asks in the same words
again and again keeps them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Select
from sqlalchemy.sql.compiler import SQLCompiler

from projections import dialect as driver


class Prepared:
    """A statement that reads, in the words of one driver.

    Attributes:
        columns: the names of what it selects.
    """

    def __init__(self, dialect: Dialect, statement: Select[Any]) -> None:
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        assert isinstance(compiled, SQLCompiler)
        self.columns = tuple(statement.selected_columns.keys())
        self._text = str(compiled)
        self._places = compiled.positiontup
        self._constants = {
            name: bind.value for bind, name in compiled.bind_names.items() if not bind.required
        }

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """The rows as the driver gives them: without conversions, so SQLite's booleans are 0 or 1.

        Args:
            connection: to the views, of the dialect of this statement.
            values: of every parameter without a value of its own; there may be more of them.
        """
        given: Any = {**self._constants, **values}
        if self._places is not None:
            given = [given[name] for name in self._places]
        return driver.read(connection, self._text, given)

    def scalar(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """The first column of the first row; there must be one."""
        return self.rows(connection, values)[0][0]
