"""Nano-dollars."""

from decimal import Decimal

import pytest

from projections.money import add, decimal_text, nanos_of, usd_text


@pytest.mark.parametrize(
    ("usd", "nanos"),
    [("0", 0), ("1", 10**9), ("0.000000001", 1), ("0.0000000005", 0), ("0.0000000015", 2)],
)
def test_dollars_become_nano_dollars_rounded_half_to_even(usd: str, nanos: int) -> None:
    assert nanos_of(usd) == nanos


def test_an_unknown_amount_stays_unknown() -> None:
    assert nanos_of(None) is None
    assert usd_text(None) is None
    assert add(None, None) is None


def test_a_sum_counts_what_is_known() -> None:
    assert [add(1, None), add(None, 2), add(1, 2)] == [1, 2, 3]


def test_the_text_of_nano_dollars_is_exact_and_short() -> None:
    assert [usd_text(n) for n in (0, 1, 10**9, 1_500_000_000)] == ["0", "0.000000001", "1", "1.5"]


@pytest.mark.parametrize(
    ("amount", "text"),
    [("1E+3", "1000"), ("-0", "0"), ("-0.0", "0"), ("100", "100"), ("1.10", "1.1"), ("0E-9", "0")],
)
def test_an_amount_is_written_in_plain_digits(amount: str, text: str) -> None:
    assert decimal_text(Decimal(amount)) == text
