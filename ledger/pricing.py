"""Usage to cost: what a number of tokens costs, with the price that was used kept beside it."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any, NamedTuple

from ledger.errors import InvalidUsage
from ledger.events import UsageRecorded, UsageRepriced
from ledger.exact import EXACT
from ledger.price_catalog import Catalog
from ledger.usage import Price, PriceRow, PriceUsed, Totals, Usage

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
    return sum_of(_rows(usage, price))


def sum_of(rows: Iterable[PriceRow]) -> Decimal:
    """What the rows of a price come to, exact where `per` is a power of ten."""
    with localcontext(EXACT):
        return sum((row.usd * row.count / row.per for row in rows), Decimal(0))


def _stated(usage: Usage, price: Price, price_id: str | None) -> tuple[PriceUsed, Decimal]:
    """A stated price, as it stands beside the cost that it comes to; and the cost."""
    rows = list(_rows(usage, price))
    used = PriceUsed.model_construct(**dict(price), price_id=price_id, rows=rows)
    return used, sum_of(rows)


def _rows(usage: Usage, price: Price) -> Iterator[PriceRow]:
    cached, creating = usage.cached_tokens or 0, usage.cache_creation_tokens or 0
    lines = (
        ("input_tokens", usage.prompt_tokens - cached - creating, price.input),
        ("cache_read_tokens", cached, price.cached_input),
        ("cache_write_tokens", creating, price.cache_creation),
        ("output_tokens", usage.completion_tokens, price.output),
    )
    for unit, count, usd in lines:
        if count:
            each = price.input if usd is None else usd
            yield PriceRow.model_construct(unit=unit, count=count, usd=each)


class Spent(NamedTuple):
    """What is to be priced: everything that a cost depends on but prices.

    Attributes:
        model: as it was asked for.
        provider: whose it is, where that is known.
        usage: the counts, checked.
        units: what is counted beside them, by genai-prices' names.
        context: what the price depends on beside counts.
        at: when it was spent.
    """

    model: str
    provider: str | None
    usage: Usage
    at: datetime
    units: Mapping[str, int] = {}
    context: Mapping[str, str] = {}

    @property
    def counts(self) -> dict[str, int]:
        """All that was counted, by genai-prices' names."""
        usage = self.usage
        return {
            "input_tokens": usage.prompt_tokens,
            "output_tokens": usage.completion_tokens,
            "cache_read_tokens": usage.cached_tokens or 0,
            "cache_write_tokens": usage.cache_creation_tokens or 0,
            "output_reasoning_tokens": usage.reasoning_tokens or 0,
            **self.units,
        }


class OwnPrice(NamedTuple):
    """A price that a workspace states for itself."""

    id: str
    price: Price


def cost_facts(
    spent: Spent,
    own: OwnPrice | None,
    settings: Mapping[str, Price],
    catalog: Catalog | None,
    reported: Decimal | None,
) -> dict[str, Any]:
    """The cost facts of a usage event.

    A cost that the provider reported wins, and the computed one is kept beside it. It is computed
    by the workspace's own price, or that of the settings, or that of the list; without any it is
    None, and the tokens count as unpriced.

    Raises:
        InvalidUsage: counts that contradict each other.
    """
    price, computed = _computed(spent, own, settings, catalog)
    return {
        "price": price,
        "computed_cost_usd": computed,
        "reported_cost_usd": reported,
        "cost_usd": computed if reported is None else reported,
    }


def _computed(
    spent: Spent, own: OwnPrice | None, settings: Mapping[str, Price], catalog: Catalog | None
) -> tuple[PriceUsed | None, Decimal | None]:
    if own is not None:
        return _stated(spent.usage, own.price, own.id)
    stated = settings.get(spent.model)
    if stated is not None:
        return _stated(spent.usage, stated, None)
    if catalog is None:
        return None, None
    rates = catalog.rates(spent.provider, spent.model, spent.at, spent.context)
    found = None if rates is None else rates.cost(spent.counts)
    return (None, None) if found is None else found


def totals_after(totals: Totals, event: UsageRecorded | UsageRepriced) -> Totals:
    """The totals of an execution after it spent, or after what it spent was priced anew."""
    if isinstance(event, UsageRecorded):
        return add_usage(totals, event)
    return add_repricing(totals, event)


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
        with localcontext(EXACT):
            cost = (cost or Decimal(0)) + usage.cost_usd
    return Totals(
        token_usage=so_far.model_copy(update=counts), cost_usd=cost, unpriced_tokens=unpriced
    )


def add_repricing(totals: Totals, repriced: UsageRepriced) -> Totals:
    """The totals of an execution after a model call of it was priced anew."""
    previous, unpriced = repriced.previous_cost_usd, totals.unpriced_tokens
    if previous is None:
        previous, unpriced = Decimal(0), unpriced - repriced.total_tokens
    with localcontext(EXACT):
        cost = (totals.cost_usd or Decimal(0)) + repriced.cost_usd - previous
    return totals.model_copy(update={"cost_usd": cost, "unpriced_tokens": unpriced})
