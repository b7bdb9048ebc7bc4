from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from ledger.errors import InvalidUsage
from ledger.events import UsageRecorded
from ledger.price_catalog import Catalog
from ledger.pricing import OwnPrice, Spent, add_usage, checked_usage, cost_facts, cost_of
from ledger.usage import Price, PriceRow, PriceUsed, Totals, Usage
from tests import given

PRICE = Price(
    input=Decimal("3.00"),
    output=Decimal("15.00"),
    cached_input=Decimal("0.30"),
    cache_creation=Decimal("3.75"),
    source="table",
)
NO_CACHE_PRICE = Price(input=Decimal("0.15"), output=Decimal("0.60"), source="table")


def spent(**facts: Any) -> UsageRecorded:
    """A usage event as it would be recorded."""
    execution = given.running()
    execution.record_usage(given.STAMP, {"model": "m", **facts})
    event = given.newest(execution)
    assert isinstance(event, UsageRecorded)
    return event


@pytest.mark.parametrize(
    ("usage", "price", "dollars"),
    [
        # 1,000 x 3.00 + 500 x 15.00 = 10,500 per million
        (Usage(prompt_tokens=1_000, completion_tokens=500), PRICE, "0.0105"),
        # 700 fresh x 3.00 + 200 cached x 0.30 + 100 written x 3.75 + 10 x 15.00 = 2,685
        (
            Usage(
                prompt_tokens=1_000,
                completion_tokens=10,
                cached_tokens=200,
                cache_creation_tokens=100,
            ),
            PRICE,
            "0.002685",
        ),
        # without prices of its own the cache costs what the input costs: 1,000 x 0.15
        (
            Usage(prompt_tokens=1_000, cached_tokens=400, cache_creation_tokens=600),
            NO_CACHE_PRICE,
            "0.00015",
        ),
        # reasoning is part of the completion and is not paid twice: 100 x 0.60
        (Usage(completion_tokens=100, reasoning_tokens=90), NO_CACHE_PRICE, "0.00006"),
        (Usage(), PRICE, "0"),
    ],
)
def test_a_cost_is_what_one_computes_by_hand(usage: Usage, price: Price, dollars: str) -> None:
    assert cost_of(usage, price) == Decimal(dollars)


def test_a_cost_keeps_every_digit() -> None:
    usage = Usage(prompt_tokens=2**53)
    price = Price(input=Decimal("123456789.123456789012"), output=Decimal(0), source="table")

    exact = Fraction(2**53) * Fraction("123456789.123456789012") / 10**6
    assert Fraction(cost_of(usage, price)) == exact


def test_a_free_cache_is_free() -> None:
    price = PRICE.model_copy(update={"cached_input": Decimal(0)})

    assert cost_of(Usage(prompt_tokens=10, cached_tokens=10), price) == 0


@pytest.mark.parametrize(
    "counts",
    [
        {"prompt_tokens": -1},
        {"prompt_tokens": 5, "cached_tokens": -1},
        {"prompt_tokens": 5, "cached_tokens": 6},
        {"prompt_tokens": 5, "cached_tokens": 3, "cache_creation_tokens": 3},
        {"completion_tokens": 5, "reasoning_tokens": 6},
        {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 11},
        {"total_tokens": 11},
    ],
)
def test_counts_that_contradict_each_other_are_refused(counts: dict[str, int]) -> None:
    with pytest.raises(InvalidUsage) as refusal:
        checked_usage(Usage(**counts))

    assert refusal.value.details.items() >= counts.items()


@pytest.mark.parametrize("total", [0, 15])
def test_the_total_is_filled_in_or_confirmed(total: int) -> None:
    usage = Usage(prompt_tokens=10, completion_tokens=5, total_tokens=total)

    assert checked_usage(usage).total_tokens == 15


def test_everything_cached_and_everything_reasoned_is_possible() -> None:
    usage = Usage(prompt_tokens=5, cached_tokens=5, completion_tokens=3, reasoning_tokens=3)

    assert checked_usage(usage).total_tokens == 8


MILLION = Spent("known", None, Usage(prompt_tokens=1_000_000), given.NOON)


def test_an_unknown_model_has_no_cost() -> None:
    unknown = MILLION._replace(model="unknown")

    facts = cost_facts(unknown, None, {"known": PRICE}, Catalog(), None)

    assert facts["cost_usd"] is None
    assert facts["price"] is None


def test_a_known_model_is_priced_and_its_price_is_kept() -> None:
    facts = cost_facts(MILLION, None, {"known": PRICE}, None, None)

    assert facts["cost_usd"] == facts["computed_cost_usd"] == 3
    row = PriceRow(unit="input_tokens", count=1_000_000, usd=Decimal("3.00"))
    assert facts["price"] == PriceUsed(**dict(PRICE), rows=[row])


@pytest.mark.parametrize("reported", [Decimal("0.5"), Decimal(0)])
def test_a_reported_cost_wins_and_the_computed_one_is_kept_beside_it(reported: Decimal) -> None:
    facts = cost_facts(MILLION, None, {"known": PRICE}, None, reported)

    assert facts["cost_usd"] == facts["reported_cost_usd"] == reported
    assert facts["computed_cost_usd"] == 3


def test_the_workspace_goes_before_the_settings_and_these_before_the_list() -> None:
    spent = MILLION._replace(model="gpt-4o")
    own = OwnPrice("p-1", PRICE.model_copy(update={"source": "workspace"}))
    settings = {"gpt-4o": PRICE.model_copy(update={"source": "settings"})}

    used = [
        cost_facts(spent, given_own, given_settings, Catalog(), None)["price"]
        for given_own, given_settings in ((own, settings), (None, settings), (None, {}))
    ]

    assert [(each.source, each.price_id) for each in used] == [
        ("workspace", "p-1"),
        ("settings", None),
        ("genai-prices", None),
    ]


def test_totals_add_what_is_known_and_count_what_is_not() -> None:
    totals = Totals()
    for usage in (
        spent(prompt_tokens=10, total_tokens=10, cost_usd=Decimal("0.1")),
        spent(prompt_tokens=5, total_tokens=5, cached_tokens=4),
        spent(prompt_tokens=1, total_tokens=1, cached_tokens=1, cost_usd=Decimal("0.2")),
    ):
        totals = add_usage(totals, usage)

    assert totals.cost_usd == Decimal("0.3")
    assert totals.unpriced_tokens == 5
    assert totals.token_usage == Usage(prompt_tokens=16, total_tokens=16, cached_tokens=5)


def test_what_cost_nothing_is_known_to_cost_nothing() -> None:
    totals = add_usage(Totals(), spent(total_tokens=5, prompt_tokens=5, cost_usd=Decimal(0)))

    assert totals.cost_usd == 0
    assert totals.unpriced_tokens == 0


def test_totals_keep_every_digit() -> None:
    large, small = Decimal(10**20), Decimal("1E-20")

    totals = add_usage(add_usage(Totals(), spent(cost_usd=large)), spent(cost_usd=small))

    assert f"{totals.cost_usd:f}" == f"{10**20}.{'0' * 19}1"
