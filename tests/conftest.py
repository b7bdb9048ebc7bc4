"""How much property tests try, and in which database tests keep what they record.

Profiles: `dev` while working, `ci` before a merge, `nightly` at leisure.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.stores import DEFAULT, KINDS, keeping_in

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("dev", max_examples=20, deadline=None, suppress_health_check=_SLOW)
settings.register_profile("ci", max_examples=200, deadline=None, suppress_health_check=_SLOW)
settings.register_profile("nightly", max_examples=5_000, deadline=None, suppress_health_check=_SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on each store, where it or its module is marked so."""
    if metafunc.definition.get_closest_marker("both_stores"):
        metafunc.parametrize("kept_in", KINDS, indirect=True, scope="module")


@pytest.fixture(autouse=True, scope="module")
def kept_in(request: pytest.FixtureRequest) -> Iterator[str]:
    """The kind of database that tests keep their ledgers in."""
    kind: str = getattr(request, "param", DEFAULT)
    with keeping_in(kind):
        yield kind
