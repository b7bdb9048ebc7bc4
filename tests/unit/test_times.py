"""Microseconds since 1970."""

from datetime import UTC, datetime

import pytest

from projections.times import micros, micros_of, text_of, time_of


def test_a_time_is_microseconds_since_1970() -> None:
    assert micros(datetime(1970, 1, 2, 0, 0, 0, 7, UTC)) == 86_400_000_007


def test_text_and_microseconds_are_two_forms_of_one_time() -> None:
    text = "2026-01-31T23:59:59.123456Z"

    assert text_of(micros_of(text)) == text
    assert time_of(micros_of(text)) == datetime(2026, 1, 31, 23, 59, 59, 123456, UTC)


def test_an_unset_time_stays_unset() -> None:
    assert text_of(None) is None


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        micros_of("2026-01-31T23:59:59")
