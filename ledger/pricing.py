"""Usage to cost: what a number of tokens costs, with the price that was used kept beside it."""

from collections.abc import Mapping
from decimal import Context, Decimal, localcontext
from typing import Any

from ledger.errors import InvalidUsage
from ledger.events import UsageRecorded
from ledger.usage import Price, Totals, Usage

_MILLION = Decimal(1_000_000)
_EXACT = Context(prec=100)
"""Enough digits that no product or sum of counts and prices is ever rounded."""
_ADDED = ("prompt_tokens", "completion_tokens", "total_tokens")
_ADDED_WHERE_KNOWN = ("cached_tokens", "cache_creation_tokens", "reasoning_tokens")


def checked_usage(usage: Usage) -> Usage:
    """Fill in the total and refuse counts that contradict each other.

    Prompt tokens include the cached ones and completion tokens the reasoning, as OpenTelemetry's
    conventions for generative AI have it.

    Raises:
        InvalidUsage: says which counts cannot both be true.
    """
    counts = usage.model_dump(exclude_none=True)
    total = usage.prompt_tokens + usage.completion_tokens
    cached = (usage.cached_tokens or 0) + (usage.cache_creation_tokens or 0)
    if any(count < 0 for count in counts.values()):
        raise InvalidUsage("token counts cannot be negative", **counts)
    if cached > usage.prompt_tokens:
        raise InvalidUsage("prompt_tokens includes cached tokens, yet is smaller", **counts)
    if (usage.reasoning_tokens or 0) > usage.completion_tokens:
        raise InvalidUsage("completion_tokens includes reasoning, yet is smaller", **counts)
    if usage.total_tokens not in (0, total):
        raise InvalidUsage("total_tokens is not prompt_tokens + completion_tokens", **counts)
    return usage.model_copy(update={"total_tokens": total})


def cost_of(usage: Usage, price: Price) -> Decimal:
    """US dollars, exact: each kind of token at its own price, cached at the input price if none."""
    cached, creating = usage.cached_tokens or 0, usage.cache_creation_tokens or 0
    fresh = usage.prompt_tokens - cached - creating
    cached_price = price.input if price.cached_input is None else price.cached_input
    creation_price = price.input if price.cache_creation is None else price.cache_creation
    with localcontext(_EXACT):
        dollars = (
            fresh * price.input
            + cached * cached_price
            + creating * creation_price
            + usage.completion_tokens * price.output
        )
        return dollars / _MILLION


def priced(
    usage: Usage, model: str, prices: Mapping[str, Price], reported: Decimal | None
) -> dict[str, Any]:
    """The cost facts of a usage event: a reported cost wins, and the computed one is kept too."""
    price = prices.get(model)
    computed = None if price is None else cost_of(usage, price)
    return {
        "price": price,
        "computed_cost_usd": computed,
        "reported_cost_usd": reported,
        "cost_usd": computed if reported is None else reported,
    }


def add_usage(totals: Totals, usage: UsageRecorded) -> Totals:
    """The totals of an execution after one more usage event."""
    so_far = totals.token_usage
    counts = {name: getattr(so_far, name) + getattr(usage, name) for name in _ADDED}
    for name in _ADDED_WHERE_KNOWN:
        if (count := getattr(usage, name)) is not None:
            counts[name] = (getattr(so_far, name) or 0) + count
    unpriced = totals.unpriced_tokens
    cost = totals.cost_usd
    if usage.cost_usd is None:
        unpriced += usage.total_tokens
    else:
        with localcontext(_EXACT):
            cost = (cost or Decimal(0)) + usage.cost_usd
    return Totals(
        token_usage=so_far.model_copy(update=counts), cost_usd=cost, unpriced_tokens=unpriced
    )
