"""Statements that are compiled once, and asked with other values."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from sqlalchemy import Column, Connection, MetaData, String, Table, bindparam, select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from projections.prepared import Prepared
from projections.store import ViewStore

THINGS = Table("things", MetaData(), Column("id", String, primary_key=True), Column("kind", String))
OF_A_KIND = (
    select(THINGS.c.id)
    .where(THINGS.c.kind == bindparam("kind", required=True))
    .order_by(THINGS.c.id)
    .limit(2)
)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    store = ViewStore.open(f"sqlite:///{tmp_path / 'views.db'}")
    with store.writing() as connection:
        THINGS.create(connection)
        rows = [{"id": f"{n}", "kind": "odd" if n % 2 else "even"} for n in range(7)]
        connection.execute(THINGS.insert(), rows)
    with store.reading() as connection:
        yield connection
    store.close()


def test_a_statement_that_was_prepared_is_asked_with_other_values(connection: Connection) -> None:
    prepared = Prepared(connection.dialect, OF_A_KIND)

    answers = [prepared.rows(connection, {"kind": kind}) for kind in ("odd", "even", "other")]

    assert prepared.columns == ("id",)
    assert answers == [[("1",), ("3",)], [("0",), ("2",)], []]


def test_a_value_that_was_forgotten_is_not_taken_for_null(connection: Connection) -> None:
    prepared = Prepared(connection.dialect, OF_A_KIND)

    with pytest.raises(KeyError, match="kind"):
        prepared.rows(connection, {"another": "odd"})


def test_what_is_one_of_none_is_nothing(connection: Connection) -> None:
    prepared = Prepared(connection.dialect, select(THINGS).where(THINGS.c.id.in_([])))

    assert prepared.rows(connection, {}) == []


def test_all_that_a_connection_is_asked_sees_one_state(connection: Connection) -> None:
    Prepared(connection.dialect, select(THINGS)).rows(connection, {})

    assert connection.in_transaction()


class _PostgreSQL:
    """Takes a statement as the driver of PostgreSQL would get it."""

    def __init__(self) -> None:
        self.dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call] # not typed there
        self.given: list[tuple[str, Any]] = []

    def exec_driver_sql(self, statement: str, parameters: Any) -> Self:
        self.given.append((statement, parameters))
        return self

    def all(self) -> list[tuple[Any, ...]]:
        return [("1",)]


def test_postgresql_is_given_values_by_name() -> None:
    server: Any = _PostgreSQL()

    rows = Prepared(server.dialect, OF_A_KIND).rows(server, {"kind": "odd"})

    ((statement, parameters),) = server.given
    assert rows == [("1",)]
    assert "things.kind = %(kind)s::VARCHAR" in statement
    assert parameters == {"kind": "odd", "param_1": 2}
