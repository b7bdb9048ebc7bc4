"""Law: what we work out from the packaged rates is what the library works out, and is exact."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import localcontext
from fractions import Fraction
from typing import Any, Final, NamedTuple

from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, Provider
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvalidUsage
from ledger.exact import EXACT
from ledger.price_catalog import Catalog, Rates

CATALOG: Final = Catalog()
MODELS: Final = [
    (each.id, model.id)
    for each in get_snapshot().providers
    for model in each.models
    if each.find_model(model.id) is model  # a few are not found by their own name
]
CONTEXTS: Final[Sequence[dict[str, str]]] = (
    {},
    {"processing": "batch"},
    {"service_tier": "priority"},
    {"speed": "fast"},
)

counts_of_tokens = st.integers(0, 10**6)
moments = st.integers(0, 3 * 365 * 24 * 60).map(
    lambda minutes: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


@st.composite
def counts(draw: st.DrawFn) -> dict[str, int]:
    """Counts that can all be true, of the kinds that most prices tell apart."""
    read, hour, short, fresh = (draw(counts_of_tokens) for _ in range(4))
    reasoning, other = draw(counts_of_tokens), draw(counts_of_tokens)
    return {
        "input_tokens": read + hour + short + fresh,
        "output_tokens": reasoning + other,
        "cache_read_tokens": read,
        "cache_write_tokens": hour + short,
        "cache_write_1h_tokens": hour,
        "output_reasoning_tokens": reasoning,
        "input_audio_tokens": draw(st.integers(0, fresh)),
        "output_audio_tokens": draw(st.integers(0, other)),
        "web_searches": draw(st.integers(0, 50)),
    }


class Listed(NamedTuple):
    """A model of the list with its price at a time, and what that depends on."""

    provider: Provider
    model: ModelInfo
    rates: Rates
    at: datetime
    context: dict[str, str]

    def __repr__(self) -> str:
        return f"{self.provider.id} {self.model.id} {self.at} {self.context}"


@st.composite
def priced(draw: st.DrawFn) -> Listed:
    """A model of the list with its price at a time."""
    provider_id, model_id = draw(st.sampled_from(MODELS))
    at, context = draw(moments), draw(st.sampled_from(CONTEXTS))
    provider, model = get_snapshot().find_provider_model(model_id, None, provider_id, None)
    rates = CATALOG.rates(provider_id, model_id, at, context)
    assert rates is not None
    return Listed(provider, model, rates, at, context)


@given(priced(), counts())
def test_a_cost_is_what_the_library_works_out(listed: Listed, spent: dict[str, int]) -> None:
    provider, model, rates, at, context = listed
    usage: Any = Usage(**spent)
    try:
        with localcontext(EXACT):
            theirs = model.calc_price(
                usage, provider, genai_request_timestamp=at, price_context=context
            ).total_price
    except ValueError:
        theirs = None

    try:
        found = rates.cost(spent)
    except InvalidUsage:
        assert theirs is None
        return

    assert (found[1] == theirs) if found is not None else not theirs


def test_what_cannot_be_told_has_no_price() -> None:
    """Cached audio has a rate, and nobody says whether what was cached was audio."""
    rates = CATALOG.rates("google", "gemini-3.1-flash-lite", datetime(2026, 1, 1, tzinfo=UTC), {})
    assert rates is not None
    counts = {"input_tokens": 2, "cache_read_tokens": 1, "input_audio_tokens": 1}

    assert rates.cost(counts) is None
    assert rates.cost({**counts, "cache_audio_read_tokens": 0}) is not None


@given(priced(), counts())
def test_the_rows_come_to_the_cost_exactly(listed: Listed, spent: dict[str, int]) -> None:
    try:
        found = listed.rates.cost(spent)
    except InvalidUsage:
        return

    if found is not None:
        price, cost = found
        rows = price.rows or []
        assert Fraction(cost) == sum(Fraction(row.usd) * row.count / row.per for row in rows)


@given(priced(), counts(), counts())
def test_two_calls_cost_what_one_of_both_would_where_no_tier_is_crossed(
    listed: Listed,
    one: dict[str, int],
    other: dict[str, int],
) -> None:
    rates = listed.rates
    if any(rate.tiers or rate.unit == "requests" for rate in rates.rates):
        return
    both = {name: count + other[name] for name, count in one.items()}

    try:
        costs = [rates.cost(each) for each in (one, other, both)]
    except InvalidUsage:
        return

    known = [cost[1] for cost in costs if cost is not None]
    if len(known) == len(costs):  # of audio and of cached tokens together not all can be told
        with localcontext(EXACT):
            assert known[0] + known[1] == known[2]


@given(priced(), st.integers(0, 10**6))
def test_a_day_has_one_price_unless_the_list_tells_its_hours_apart(
    listed: Listed, seconds: int
) -> None:
    provider, model, rates, at, context = listed
    later = at + timedelta(seconds=seconds)

    again = CATALOG.rates(provider.id, model.id, later, context)

    assert again is not None
    assert (again.provider, again.model) == (rates.provider, rates.model)
    fresh = Catalog().rates(provider.id, model.id, later, context)
    assert again == fresh
