"""The terms that a version's config holds."""

from typing import Any

import pytest

from ledger.errors import InvalidConfig
from ledger.strict_json import decode
from ledger.terms import Terms, terms_of


def test_a_config_without_terms_has_none() -> None:
    assert terms_of({"tone": "dry"}) == Terms()


def test_terms_are_taken_from_the_config() -> None:
    config = decode(b'{"max_attempts":5,"retry_backoff_s":1.5,"max_duration_s":600}')

    assert terms_of(config) == Terms(max_attempts=5, retry_backoff_s=1.5, max_duration_s=600.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_attempts", 0),
        ("max_attempts", 101),
        ("max_attempts", 1.5),
        ("max_attempts", "3"),
        ("max_attempts", True),
        ("retry_backoff_s", -1),
        ("retry_backoff_s", "soon"),
        ("max_duration_s", 0),
        ("max_duration_s", 1e12),
    ],
)
def test_a_term_out_of_its_bounds_is_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidConfig, match=f"^config.{name}: "):
        terms_of({name: value})
