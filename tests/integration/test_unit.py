from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.aggregates import Aggregates
from ledger.mapper import LedgerMapper
from ledger.sqlite import SQLiteStore, open_store
from ledger.store import NO_END
from ledger.unit import Policy, Unit
from tests.given import EXECUTION_ID, STAMP, recorded
from tests.recording import recording

MAPPER = LedgerMapper()


@pytest.fixture(name="ids")
def ids_fixture(tmp_path: Path) -> list[str]:
    """Executions that are recorded."""
    with recording(tmp_path) as open_:
        return [open_.pending() for _ in range(3)]


@pytest.fixture(name="store")
def store_fixture(tmp_path: Path, ids: list[str]) -> Iterator[SQLiteStore]:
    assert ids
    store = open_store(tmp_path / "ledger.db", "normal")
    yield store
    store.close()


def test_what_a_command_asks_for_twice_is_one_thing(store: SQLiteStore, ids: list[str]) -> None:
    unit = Unit(Aggregates(store, MAPPER, NO_END), {}, STAMP, Policy())

    assert unit.execution(ids[0]) is unit.execution(ids[0])


def test_a_unit_that_is_dropped_leaves_what_is_recorded_alone(
    store: SQLiteStore, ids: list[str]
) -> None:
    aggregates = Aggregates(store, MAPPER, NO_END)

    Unit(aggregates, {}, STAMP, Policy()).execution(ids[0]).start(STAMP, "worker-1")

    again = Unit(aggregates, {}, STAMP, Policy()).execution(ids[0])
    assert again.version == 1
    assert recorded(again) == []


def test_the_cache_forgets_what_was_used_longest_ago(
    store: SQLiteStore, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.aggregates._MOST_CACHED", 2)
    aggregates = Aggregates(store, MAPPER, NO_END)
    first, second, third = ids
    before = {id_: aggregates.get(id_) for id_ in (first, second)}

    aggregates.get(first)
    aggregates.get(third)

    assert aggregates.get(first) is before[first]
    assert aggregates.get(second) is not before[second]


def test_nothing_is_cached_of_what_is_not_there(store: SQLiteStore) -> None:
    aggregates = Aggregates(store, MAPPER, NO_END)

    assert aggregates.get(EXECUTION_ID) is None
