"""What differs between SQLite and PostgreSQL, with `bulk`, and nothing else: engine, locks, index.

A transaction begins as BEGIN IMMEDIATE on SQLite when its connection has the option WRITES: one
that read first and wrote later would fail without waiting when somebody else wrote in between.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Index,
    Select,
    String,
    Table,
    create_engine,
    event,
)
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateColumn
from sqlalchemy.sql.compiler import DDLCompiler

from ledger.database import connector, is_postgres

WRITES = "writes"
NUL_SHOWN: Final = "\N{SYMBOL FOR NULL}"
"""What stands in the views of PostgreSQL for a NUL, which it cannot keep in a text."""
_GATE = "views_gate"
_ALONE = (
    "SELECT pg_advisory_xact_lock(1447642455, oid::bigint::bit(32)::int)"  # "VIEW"
    " FROM pg_namespace WHERE nspname = current_schema()"
)
_MOST_IDLE = "SET LOCAL idle_in_transaction_session_timeout = '10s'"
_LONGEST_WAIT = "1s"
_LOCK_NOT_AVAILABLE = "55P03"
_BUSY_MILLISECONDS = 30_000
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",  # what is lost in a power cut comes back from the log
    f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}",
    "PRAGMA cache_size=-32768",
    "PRAGMA wal_autocheckpoint=4000",  # pages; a page that changes often is copied less often
    "PRAGMA temp_store=MEMORY",
)


def views_url(ledger: Path) -> URL:
    """Where the views of a ledger file are kept: in a file of their own beside it.

    SQLite lets one transaction write to a file at a time; so the writer of events never waits for
    a projection.
    """
    return URL.create("sqlite", database=str(ledger.with_suffix(".views.db")))


def open_engine(url: URL | str) -> Engine:
    """An engine that many threads may use, with transactions that begin when we say so.

    Raises:
        StoreFailed: the driver of PostgreSQL is not installed.
    """
    if isinstance(url, str) and is_postgres(url):
        return create_engine(
            "postgresql+psycopg://",
            creator=connector(url, autocommit=False),  # the URL is libpq's, not SQLAlchemy's
            pool_size=8,
            max_overflow=4,
            pool_pre_ping=True,  # after a restart of the database all old connections are useless
            hide_parameters=True,
        )
    engine = create_engine(url, pool_size=8, max_overflow=56, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.connection.cursor().execute("BEGIN IMMEDIATE" if writes else "BEGIN")


@compiles(CreateColumn, "postgresql")
def _text_by_its_bytes(create: CreateColumn, compiler: DDLCompiler, **options: Any) -> str:
    """Text is compared by its bytes, as in SQLite and Python, whatever the database's language."""
    words: str = compiler.visit_create_column(create, **options)  # type: ignore[no-untyped-call] # not typed there
    if isinstance(create.element.type, String):
        kind = compiler.type_compiler.process(create.element.type)
        return words.replace(f" {kind}", f' {kind} COLLATE "C"', 1)
    return words


def prepare(engine: Engine) -> None:
    """Make what `come_in` and `keep_out` need."""
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            alone(connection)
            connection.exec_driver_sql(f"CREATE TABLE IF NOT EXISTS {_GATE} ()")


def is_shared(engine: Engine) -> bool:
    """Whether other processes may fold the views of this database, too."""
    return engine.dialect.name == "postgresql"


def alone(connection: Connection) -> None:
    """Let nobody else who asks for the same go on before the transaction ends.

    Two that make a table at the same time fail otherwise, even where it is made only if there is
    none.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_ALONE)


def hold_still(connection: Connection, table: Table) -> None:
    """Wait until nobody writes to a table, and let nobody begin before the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE")


def begin_writing(connection: Connection) -> None:
    """Let a transaction end by itself when its process says nothing more: it may be lost, or stand.

    What it has locked nobody else could take over.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_MOST_IDLE)


def come_in(connection: Connection) -> None:
    """Begin to read one state of the database.

    No table is put in the place of another before the transaction ends.
    PostgreSQL finds a table by its name as it is now, but its rows as they were when the
    transaction began; so one that was swapped in meanwhile could seem empty. A lock that is taken
    first, by a statement that reads nothing, comes before both.
    """
    if connection.dialect.name == "postgresql":
        connection.execution_options(isolation_level="REPEATABLE READ")
        connection.exec_driver_sql(f"LOCK TABLE {_GATE} IN ACCESS SHARE MODE")


def keep_out(connection: Connection) -> None:
    """Wait until nobody reads, and let nobody begin before the transaction ends.

    Not for long: while it waits nobody else begins to read either, and whoever reads may be slow,
    or stand. Then it fails, and `is_kept_waiting` tells.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LONGEST_WAIT}'")
        connection.exec_driver_sql(f"LOCK TABLE {_GATE} IN ACCESS EXCLUSIVE MODE")


def is_kept_waiting(error: SQLAlchemyError) -> bool:
    """Whether a lock was not to be had in time."""
    return getattr(getattr(error, "orig", None), "sqlstate", "") == _LOCK_NOT_AVAILABLE


def is_away(engine: Engine, error: SQLAlchemyError) -> bool:
    """Whether the database does not answer, so that the same may succeed later.

    SQLite is a file of ours: there, what fails is broken.
    """
    return engine.dialect.name == "postgresql" and isinstance(
        error, OperationalError | InterfaceError | PoolExhausted
    )


def read(connection: Connection, statement: str, parameters: Any) -> Sequence[Sequence[Any]]:
    """The rows of a statement, as the driver gives them.

    On SQLite the driver is asked past the library, whose work for a statement takes as long as the
    statement. On PostgreSQL it is not: the library notices when the server is gone.

    Args:
        connection: that reads; never one on which names mean other tables.
        statement: in the driver's own text.
        parameters: as the driver takes them.
    """
    if connection.dialect.name != "sqlite":
        return connection.exec_driver_sql(statement, parameters).all()
    if not connection.in_transaction():
        connection.begin()
    cursor = connection.connection.cursor()
    cursor.execute(statement, parameters)
    return cursor.fetchall()


def fetch(connection: Connection, statement: Select[Any]) -> Sequence[Sequence[Any]]:
    """All rows of a statement that selects integers and text alone, as `read` gives them."""
    result = connection.execute(statement)
    if connection.dialect.name != "sqlite" or result.cursor is None:
        return result.all()
    with result:
        return result.cursor.fetchall()


CLUSTERED: Final[dict[str, Any]] = {"sqlite_with_rowid": False}
"""Options of a table with short rows: on SQLite the primary key's index is the table itself."""


def index_where_set(name: str, *columns: ColumnElement[Any], given: ColumnElement[Any]) -> Index:
    """An index of the rows in which a column is not null; `column = value` finds them by it."""
    is_set = given.is_not(None)
    return Index(name, *columns, sqlite_where=is_set, postgresql_where=is_set)
