"""What differs between the stores."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, cast, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex

from projections.bulk import update, upsert
from projections.dialect import index_where_set, views_url
from projections.store import ViewStore
from tests.stores import database_in

pytestmark = pytest.mark.both_stores

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
        self.dialect = postgresql.dialect()  # type: ignore[no-untyped-call] # not typed there
        self.given: list[tuple[str, Any]] = []

    def exec_driver_sql(self, statement: str, parameters: Any) -> None:
        self.given.append((statement, parameters))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ViewStore]:
    store = ViewStore.open(database_in(tmp_path, "views.db"))
    with store.writing() as connection:
        TABLE.create(connection)
    yield store
    store.close()


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


def test_postgresql_gets_all_rows_of_an_upsert_as_one_array_for_each_column() -> None:
    connection = _Connection()
    rows = [{"id": "a", "sum": 1}, {"id": "b", "sum": None}]

    upsert(connection, TABLE, rows, add=["sum"])  # type: ignore[arg-type] # what it needs of one

    ((statement, parameters),) = connection.given
    assert "FROM unnest(%(given_id)s" in statement
    assert "ON CONFLICT (id) DO UPDATE SET sum = coalesce(things_v1.sum + excluded.sum" in statement
    assert parameters == {"given_id": ["a", "b"], "given_sum": [1, None]}


def test_an_update_changes_the_rows_that_it_names(store: ViewStore) -> None:
    with store.writing() as connection:
        upsert(connection, TABLE, [{"id": id_, "sum": 1, "word": "w"} for id_ in "abc"])
        update(connection, TABLE, [{"id": "a", "sum": 2}, {"id": "c", "sum": None}])

    changed = {(id_, number, word) for id_, number, word, _ in everything(store)}
    assert changed == {("a", 2, "w"), ("b", 1, "w"), ("c", None, "w")}


def test_text_is_ordered_by_its_bytes(store: ViewStore) -> None:
    with store.writing() as connection:
        upsert(connection, TABLE, [{"id": id_} for id_ in ("a", "B", "b", "A", "\u00e4")])

    with store.reading() as connection:
        ids = connection.scalars(select(TABLE.c.id).order_by(TABLE.c.id)).all()
    assert ids == ["A", "B", "a", "b", "\u00e4"]


def test_sums_and_averages_are_numbers_as_python_has_them(store: ViewStore) -> None:
    number = cast(TABLE.c.sum, BigInteger)
    with store.writing() as connection:
        upsert(connection, TABLE, [{"id": "a", "sum": 1}, {"id": "b", "sum": 2}])

    with store.reading() as connection:
        row = connection.execute(select(func.sum(number), func.avg(number))).one()
    assert row == (3, 1.5)
    assert [type(value) for value in row] == [int, float]


@pytest.mark.parametrize("dialect", [sqlite, postgresql])
def test_an_index_of_what_is_set_is_partial_on_both_stores(dialect: Any) -> None:
    table = Table("t", MetaData(), Column("id", String), Column("user", String))
    index = index_where_set("t_user", table.c.user, given=table.c.user)

    said = str(CreateIndex(index).compile(dialect=dialect.dialect()))

    assert said.endswith("IS NOT NULL")


def test_the_views_of_a_ledger_are_in_a_file_beside_it() -> None:
    assert views_url(Path("data", "ledger.db")).database == str(Path("data", "ledger.views.db"))
