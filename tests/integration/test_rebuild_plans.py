"""While views are rebuilt most of their indexes are missing: no fold may look for rows by them."""

from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.event import listen

from projections.catalog import ALL
from projections.rebuild import Rebuild
from projections.store import ViewStore
from tests.golden.files import HISTORIES, history_in
from tests.strategies import MemoryLog
from tests.views import Told

_TELLS = "SELECT", "UPDATE", "DELETE"


def every_topic(store: ViewStore) -> MemoryLog:
    """The golden histories one after the other, and a run that ends while a human is asked."""
    told = Told(store)
    parked = told.parked()
    told.do(parked, lambda stamp: parked.cancel(stamp, "late"))
    files = sorted(HISTORIES.glob("*.ndjson"))
    events = chain.from_iterable([*map(history_in, files), told.log])
    return MemoryLog([event._replace(position=n) for n, event in enumerate(events, start=1)])


def indexes_in(store: ViewStore) -> set[str]:
    tables = inspect(store.engine)
    found = (tables.get_indexes(table) for table in tables.get_table_names())
    return {str(index["name"]) for indexes in found for index in indexes}


def test_a_fold_reads_no_table_from_end_to_end_while_it_is_rebuilt(tmp_path: Path) -> None:
    store = ViewStore.open(f"sqlite:///{tmp_path / 'views.db'}")
    rebuild = Rebuild(store, every_topic(store), ALL, page_size=1)
    asked: dict[str, Any] = {}
    plans: dict[str, list[str]] = {}

    def note(_connection: Any, _cursor: Any, statement: str, given: Any, *more: Any) -> None:
        *_, many = more
        if statement.startswith(_TELLS) and "_b2" in statement:
            asked[statement] = given[0] if many else given

    def explain(position: int, end: int) -> None:
        if position == end:
            with store.engine.connect() as connection:
                for statement, given in asked.items():
                    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
                    plans[statement] = [row[-1] for row in plan]

    listen(store.engine, "before_cursor_execute", note)

    rebuild.run(explain)

    scans = {
        statement: plan
        for statement, plan in plans.items()
        if any(step.startswith("SCAN") and "_b2" in step for step in plan)
    }
    assert scans == {}
    assert len(plans) > 10
    store.close()


def test_a_rebuilt_view_has_all_of_its_indexes(tmp_path: Path) -> None:
    store = ViewStore.open(f"sqlite:///{tmp_path / 'views.db'}")
    rebuild = Rebuild(store, every_topic(store), ALL)
    live = indexes_in(store)

    rebuild.run(lambda _position, _end: None)

    assert {f"{name}_b2" for name in live if not name.endswith("_b2")} == indexes_in(store)
    store.close()
