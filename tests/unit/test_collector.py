"""The cycle collector of a server."""

import gc
from collections.abc import Iterator

import pytest

from server.collector import calm_collector


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_exists_is_left_out() -> None:
    calm_collector()

    assert gc.get_freeze_count() > 10_000


def test_cycles_made_later_are_still_collected() -> None:
    calm_collector()
    cycle: list[object] = []
    cycle.append(cycle)
    del cycle

    assert gc.isenabled()
    assert gc.collect() >= 1
