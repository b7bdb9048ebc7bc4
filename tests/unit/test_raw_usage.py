"""What providers say of usage, read as counts, and priced by the packaged list."""

from decimal import Decimal
from typing import Any

import pytest

from ledger.errors import InvalidUsage
from ledger.frames import UsageReport
from ledger.price_catalog import Catalog
from ledger.pricing import Spent, cost_facts
from ledger.raw_usage import read
from ledger.strict_json import decode, encode
from tests.provider_usage import CASES, NOVEMBER, Case

CATALOG = Catalog()
OPENAI = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def report(raw: dict[str, Any], **facts: Any) -> UsageReport:
    """A report as it comes over the wire, fractions with their digits."""
    return UsageReport.model_validate({"model": "m", "raw": decode(encode(raw)), **facts})


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_providers_usage_is_read_as_the_ledger_counts(case: Case) -> None:
    usage, units, reported, _ = report(case.raw, **case.report).reading

    assert (
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cached_tokens,
        usage.cache_creation_tokens,
        usage.reasoning_tokens,
    ) == case.counts
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert units == (case.units or {})
    assert reported == (None if case.reported is None else Decimal(case.reported))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_providers_usage_costs_what_one_works_out_by_hand(case: Case) -> None:
    said = report(case.raw, **case.report)
    usage, units, reported, context = said.reading
    spent = Spent(said.model, said.provider, usage, case.at, units, context)

    facts = cost_facts(spent, None, {}, CATALOG, reported)

    assert facts["computed_cost_usd"] == Decimal(case.cost)
    assert facts["cost_usd"] == Decimal(case.reported or case.cost)
    assert facts["price"].source == "genai-prices"


def test_the_rows_of_a_price_come_to_the_cost() -> None:
    long = next(case for case in CASES if case.name == "anthropic-long-context")
    usage, units, _, context = report(long.raw, **long.report).reading
    spent = Spent(long.report["model"], "anthropic", usage, long.at, units, context)

    price = cost_facts(spent, None, {}, CATALOG, None)["price"]

    assert [(row.unit, row.count, str(row.usd), row.above) for row in price.rows] == [
        ("cache_read_tokens", 210_000, "0.6", 200_000),
        ("input_tokens", 12_000, "6", 200_000),
        ("output_tokens", 1000, "22.5", 200_000),
    ]


def test_a_total_that_nobody_could_come_to_is_refused() -> None:
    with pytest.raises(InvalidUsage, match=r"total is 99, yet prompt and completion come to 120"):
        _ = report({**OPENAI, "total_tokens": 99}, provider="openai").reading


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 101}}, "prompt_tokens includes cached"),
        ({"completion_tokens_details": {"reasoning_tokens": 21}}, "completion_tokens includes"),
    ],
)
def test_an_object_that_contradicts_itself_is_refused(
    wrong: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidUsage, match=complaint):
        _ = report(OPENAI | wrong, provider="openai").reading


def test_a_count_that_is_not_the_objects_is_refused_with_both() -> None:
    anthropic = {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5}

    with pytest.raises(InvalidUsage, match="prompt_tokens is 10, in raw 100"):
        _ = report(anthropic, provider="anthropic", prompt_tokens=10, completion_tokens=5).reading


def test_counts_beside_the_object_are_filled_in_from_it() -> None:
    raw = {**OPENAI, "prompt_tokens_details": {"cached_tokens": 60}}

    usage = report(raw, provider="openai", prompt_tokens=100, completion_tokens=20).reading.usage

    assert usage.cached_tokens == 60


def test_counts_beside_an_object_that_nobody_can_read_stand_alone() -> None:
    said = report({"eaten": 7}, prompt_tokens=100, completion_tokens=20)

    assert said.reading.usage.total_tokens == 120
    assert said.raw == {"eaten": 7}


def test_an_object_of_no_known_kind_says_nothing_alone() -> None:
    with pytest.raises(InvalidUsage, match="missing"):
        _ = report({"eaten": 7}).reading


def test_what_the_sender_says_it_cost_goes_before_what_the_object_says() -> None:
    said = report({**OPENAI, "cost": 0.5}, provider="openrouter", cost_usd="0.25")

    assert said.reading.cost_usd == Decimal("0.25")


@pytest.mark.parametrize("cost", ["0.5", True, None, -1, [], {"total_cost": "x"}, 10**10, 1e-40])
def test_a_cost_that_is_no_amount_is_not_read(cost: Any) -> None:
    reading = read({**OPENAI, "cost": cost}, "openrouter", "m")

    assert reading is not None
    assert reading.cost_usd is None


@pytest.mark.parametrize("provider", ["api.openai.com", "OpenAI", None, "my-proxy"])
def test_a_provider_goes_by_many_names(provider: str | None) -> None:
    reading = read(OPENAI, provider, "gpt-4o")

    assert reading is not None
    assert reading.usage.total_tokens == 120


def test_a_model_of_a_provider_that_nobody_knows_has_no_price() -> None:
    assert CATALOG.rates("my-proxy", "gpt-4o", NOVEMBER, {}) is None
    assert CATALOG.rates("openai", "gpt-4o", NOVEMBER, {}) is not None
    assert CATALOG.rates("openai", "gpt-of-my-own", NOVEMBER, {}) is None


@pytest.mark.parametrize("count", [2**53 + 1, -1])
def test_a_count_beyond_bounds_is_refused(count: int) -> None:
    with pytest.raises(InvalidUsage):
        _ = report({**OPENAI, "total_tokens": None, "prompt_tokens": count}).reading
