from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.amounts import Amount

dollars = st.decimals(0, 10**6, places=18, allow_nan=False)


@pytest.mark.parametrize(
    ("usd", "nano", "rest"),
    [
        ("0", 0, 0),
        ("1", 10**9, 0),
        ("0.000000001", 1, 0),
        ("0.0000000015", 1, 500_000_000),
        ("1E-18", 0, 1),
        ("5E-19", 0, 0),
        ("1.5E-18", 0, 2),
        ("999999999.999999999999999999", 999_999_999_999_999_999, 999_999_999),
    ],
)
def test_an_amount_is_nano_dollars_and_what_is_finer(usd: str, nano: int, rest: int) -> None:
    assert Amount.of(usd) == (nano, rest)


def test_an_unknown_amount_is_not_nothing() -> None:
    assert Amount.of(None).usd is None
    assert Amount.of("0").usd == 0


@given(st.lists(dollars, min_size=1, max_size=20))
def test_the_sum_of_amounts_is_the_decimal_sum(costs: list[Decimal]) -> None:
    total = Amount()

    for cost in costs:
        total += Amount.of(f"{cost:f}")

    assert total.usd == sum(costs)


@pytest.mark.parametrize(
    ("amount", "spent", "number", "text"),
    [
        (Amount.of("0.10"), True, 0.1, "0.1"),
        (Amount(), True, None, None),
        (Amount(), False, 0.0, "0"),
        (Amount.of("2.5"), False, 2.5, "2.5"),
    ],
)
def test_unknown_money_is_null_and_no_spending_is_zero(
    amount: Amount, spent: bool, number: float | None, text: str | None
) -> None:
    assert amount.shown("cost", spent=spent) == {"cost": number, "cost_usd": text}
