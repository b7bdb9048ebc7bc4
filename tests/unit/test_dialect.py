"""What differs between the stores."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex

from projections.dialect import index_where_set, upsert, views_url
from projections.store import ViewStore

TABLE = Table(
    "things_v1",
    MetaData(),
    Column("id", String, primary_key=True),
    Column("sum", Integer),
    Column("word", String),
    Column("first", String),
)


class _Connection:
    """Takes a statement as PostgreSQL would get it."""

    def __init__(self) -> None:
        self.dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        self.given: list[tuple[str, Any]] = []

    def exec_driver_sql(self, statement: str, parameters: Any) -> None:
        self.given.append((statement, parameters))


@pytest.fixture
def store(tmp_path: Path) -> ViewStore:
    store = ViewStore.open(f"sqlite:///{tmp_path / 'views.db'}")
    with store.writing() as connection:
        TABLE.create(connection)
    return store


def everything(store: ViewStore) -> list[Any]:
    with store.reading() as connection:
        return list(connection.execute(select(TABLE)).all())


def test_an_upsert_adds_up_replaces_and_keeps(store: ViewStore) -> None:
    for number in (1, 2):
        rows = [{"id": "a", "sum": number, "word": f"w{number}", "first": f"f{number}"}]
        with store.writing() as connection:
            upsert(connection, TABLE, rows, add=["sum"], keep=["first"])

    assert everything(store) == [("a", 3, "w2", "f1")]


@pytest.mark.parametrize(("old", "new", "total"), [(None, 2, 2), (2, None, 2), (None, None, None)])
def test_a_sum_with_the_unknown_is_what_is_known(
    store: ViewStore, old: int | None, new: int | None, total: int | None
) -> None:
    for number in (old, new):
        with store.writing() as connection:
            upsert(connection, TABLE, [{"id": "a", "sum": number}], add=["sum"])

    assert everything(store) == [("a", total, None, None)]


def test_an_upsert_of_keys_alone_inserts_what_is_not_there(store: ViewStore) -> None:
    for ids in (["a"], ["a", "b"], []):
        with store.writing() as connection:
            upsert(connection, TABLE, [{"id": id_} for id_ in ids])

    assert [row[0] for row in everything(store)] == ["a", "b"]


def test_columns_that_are_not_given_stay_as_they_are(store: ViewStore) -> None:
    for row in ({"id": "a", "sum": 1, "word": "w"}, {"id": "a", "sum": 5}):
        with store.writing() as connection:
            upsert(connection, TABLE, [row])

    assert everything(store) == [("a", 5, "w", None)]


def test_a_transaction_that_fails_leaves_no_trace(store: ViewStore) -> None:
    def fail_halfway() -> None:
        with store.writing() as connection:
            upsert(connection, TABLE, [{"id": "a"}])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()

    assert everything(store) == []


def test_a_reader_sees_one_state_however_long_it_reads(store: ViewStore) -> None:
    with store.reading() as connection:
        before = connection.execute(select(TABLE)).all()
        with store.writing() as writer:
            upsert(writer, TABLE, [{"id": "a"}])
        after = connection.execute(select(TABLE)).all()

    assert list(before) == list(after) == []
    assert len(everything(store)) == 1


def test_postgresql_gets_the_same_upsert_in_its_own_words() -> None:
    connection = _Connection()
    rows = [{"id": "a", "sum": 1}]

    upsert(connection, TABLE, rows, add=["sum"])  # type: ignore[arg-type] # what it needs of one

    ((statement, parameters),) = connection.given
    assert "%(id)s" in statement
    assert "ON CONFLICT (id) DO UPDATE SET sum = coalesce(things_v1.sum + excluded.sum" in statement
    assert parameters == rows


@pytest.mark.parametrize("dialect", [sqlite, postgresql])
def test_an_index_of_what_is_set_is_partial_on_both_stores(dialect: Any) -> None:
    table = Table("t", MetaData(), Column("id", String), Column("user", String))
    index = index_where_set("t_user", table.c.user, given=table.c.user)

    said = str(CreateIndex(index).compile(dialect=dialect.dialect()))

    assert said.endswith("IS NOT NULL")


def test_the_views_of_a_ledger_are_in_a_file_beside_it() -> None:
    assert views_url(Path("data", "ledger.db")).database == str(Path("data", "ledger.views.db"))
