"""The prices of one model in one workspace."""

from decimal import Decimal

import pytest

from ledger.errors import LimitExceeded, NotFound
from ledger.model_prices import MOST_PRICES, InvalidPrice, ModelPrices
from ledger.usage import Price
from tests.given import NOON, STAMP, later

PRICE = Price(input=Decimal(2), output=Decimal(8), source="workspace")


@pytest.fixture
def prices() -> ModelPrices:
    """A model with one price, p-0, that holds since ever."""
    prices = ModelPrices.begin(STAMP, "house-1")
    prices.set(STAMP, "p-0", PRICE)
    return prices


def ids_at(prices: ModelPrices, *seconds: float) -> list[str | None]:
    """Which price holds so many seconds after noon."""
    found = [prices.at(later(each).at) for each in seconds]
    return [None if each is None else each.id for each in found]


def test_the_first_price_holds_for_the_past_and_a_second_one_from_now_on(
    prices: ModelPrices,
) -> None:
    prices.set(later(10), "p-1", PRICE)

    assert ids_at(prices, -(10**9), 9.9, 10, 10**9) == ["p-0", "p-0", "p-1", "p-1"]


def test_of_several_prices_for_one_moment_the_last_one_stated_holds(prices: ModelPrices) -> None:
    prices.set(later(1), "p-1", PRICE, valid_from=NOON, valid_until=later(5).at)
    prices.set(later(2), "p-2", PRICE, valid_from=later(3).at)

    assert ids_at(prices, -1, 0, 3, 5) == ["p-0", "p-1", "p-2", "p-2"]


def test_a_price_that_ends_leaves_what_held_before_it(prices: ModelPrices) -> None:
    prices.set(later(1), "p-1", PRICE, valid_from=NOON)
    prices.end(later(2), "p-1", None)

    assert ids_at(prices, 0, 1.9, 2) == ["p-1", "p-1", "p-0"]


def test_without_a_price_for_the_time_there_is_none(prices: ModelPrices) -> None:
    prices.end(later(2), "p-0", None)

    assert ids_at(prices, 1, 2) == ["p-0", None]


def test_an_end_may_be_brought_forward_but_not_put_off(prices: ModelPrices) -> None:
    prices.end(later(2), "p-0", later(9).at)
    prices.end(later(3), "p-0", later(8).at)

    with pytest.raises(InvalidPrice, match="already"):
        prices.end(later(4), "p-0", later(8.5).at)


def test_a_price_does_not_end_before_it_begins(prices: ModelPrices) -> None:
    prices.set(later(1), "p-1", PRICE, valid_from=later(5).at)

    with pytest.raises(InvalidPrice, match="begins only at"):
        prices.end(later(2), "p-1", None)


def test_what_was_never_stated_cannot_end(prices: ModelPrices) -> None:
    with pytest.raises(NotFound):
        prices.end(STAMP, "p-9", None)


def test_a_model_has_so_many_prices_at_most(prices: ModelPrices) -> None:
    for number in range(1, MOST_PRICES):
        prices.set(later(number), f"p-{number}", PRICE)

    with pytest.raises(LimitExceeded):
        prices.set(STAMP, "one-more", PRICE)
