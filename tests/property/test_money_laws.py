"""Law: money adds up, to the last digit."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from ledger.events import UsageRecorded
from ledger.pricing import add_usage, cost_of
from ledger.usage import Price, Totals, Usage
from tests.given import STAMP, newest, running
from tests.property.ledger_strategies import money

prices = st.builds(
    Price,
    input=money,
    output=money,
    cached_input=st.none() | money,
    cache_creation=st.none() | money,
    source=st.just("table"),
)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Counts that can all be true."""
    prompt, completion = draw(st.integers(0, 2**53)), draw(st.integers(0, 2**53))
    cached = draw(st.integers(0, prompt))
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached,
        cache_creation_tokens=draw(st.integers(0, prompt - cached)),
    )


def spent(cost: Decimal | None) -> UsageRecorded:
    """A token that cost so much."""
    execution = running()
    execution.record_usage(STAMP, {"model": "m", "total_tokens": 1, "cost_usd": cost})
    event: UsageRecorded = newest(execution)
    return event


@given(usages(), prices)
def test_a_cost_is_exactly_the_sum_of_counts_times_prices(usage: Usage, price: Price) -> None:
    cached, creation = usage.cached_tokens or 0, usage.cache_creation_tokens or 0
    fresh = usage.prompt_tokens - cached - creation
    cached_price = price.input if price.cached_input is None else price.cached_input
    creation_price = price.input if price.cache_creation is None else price.cache_creation
    parts = [
        (fresh, price.input),
        (cached, cached_price),
        (creation, creation_price),
        (usage.completion_tokens, price.output),
    ]

    exact = sum(Fraction(count) * Fraction(each) for count, each in parts) / 10**6

    assert Fraction(cost_of(usage, price)) == exact


@given(st.lists(st.none() | money, max_size=20))
def test_totals_are_the_exact_sum_whatever_the_order(costs: list[Decimal | None]) -> None:
    tokens = [spent(cost) for cost in costs]
    known = [Fraction(cost) for cost in costs if cost is not None]

    forwards, backwards = Totals(), Totals()
    for usage in tokens:
        forwards = add_usage(forwards, usage)
    for usage in reversed(tokens):
        backwards = add_usage(backwards, usage)

    assert forwards == backwards
    assert forwards.unpriced_tokens == costs.count(None)
    assert (forwards.cost_usd is None) == (not known)
    assert Fraction(forwards.cost_usd or 0) == sum(known)
