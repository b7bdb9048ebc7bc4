"""The price list that comes with genai-prices: what a model cost, as of any day, by kind of token.

A price is made of rates, one for each kind of unit. What has a rate of its own is taken out of what
is less specific: cached tokens out of the input's, cached audio out of cached and of audio.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from itertools import combinations
from typing import Any, Final, NamedTuple, TypeVar

import genai_prices
from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.data_units import unit_data
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)
from genai_prices.units import UnitDef, UnitRegistry

from ledger.errors import InvalidUsage
from ledger.exact import EXACT
from ledger.raw_usage import provider_of
from ledger.usage import PriceRow, PriceUsed

K = TypeVar("K")
V = TypeVar("V")

SOURCE: Final = "genai-prices"
_MOST_KEPT: Final = 10_000
_REQUESTS: Final = "requests"
_PER_MILLION: Final = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_tokens": "cached_input",
    "cache_write_tokens": "cache_creation",
}


class Rate(NamedTuple):
    """The price of one kind of unit.

    Attributes:
        unit: its name.
        per: for how many units the dollars are.
        base: dollars, below every tier.
        tiers: (input tokens of the request that must be exceeded, dollars), the lowest first.
        within: kinds with rates of their own that are counted in this one too.
        overlaps: pairs of kinds whose overlap this one is: cached audio, that of cached and audio.
    """

    unit: str
    per: int
    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...]
    within: tuple[str, ...]
    overlaps: tuple[tuple[str, str], ...] = ()

    def at(self, input_tokens: int) -> tuple[Decimal, int | None]:
        """Dollars for a request with so much input, and the tier that it exceeds."""
        usd, above = self.base, None
        for start, dollars in self.tiers:
            if input_tokens > start:
                usd, above = dollars, start
        return usd, above

    def is_untold(self, counts: Mapping[str, int]) -> bool:
        """Whether there may be units of this kind, of which the counts do not say how many."""
        return self.unit not in counts and any(
            counts.get(one) and counts.get(other) for one, other in self.overlaps
        )


class Rates(NamedTuple):
    """A model's price at some time: its rates, the most specific kinds first."""

    provider: str
    model: str
    effective: str | None
    version: str
    rates: tuple[Rate, ...]

    def cost(self, counts: Mapping[str, int]) -> tuple[PriceUsed, Decimal] | None:
        """What so many units cost; None when nothing among them has a price, or it cannot be told.

        Raises:
            InvalidUsage: some kind is more than what it is part of.
        """
        rows: list[PriceRow] = []
        alone: dict[str, int] = {}
        input_tokens = counts.get("input_tokens", 0)
        if any(rate.is_untold(counts) for rate in self.rates):
            return None
        for rate in self.rates:
            count = 1 if rate.unit == _REQUESTS else counts.get(rate.unit, 0)
            left = count - sum(alone[unit] for unit in rate.within)
            if left < 0:
                message = f"{rate.unit} is {count}, yet what is part of it comes to {count - left}"
                raise InvalidUsage(message, **counts)
            alone[rate.unit] = left
            if left:
                usd, above = rate.at(input_tokens)
                row: dict[str, Any] = {"unit": rate.unit, "count": left, "usd": usd}
                row |= {"per": rate.per, "above": above}
                rows.append(PriceRow.model_construct(**row))  # nothing in it is to be checked
        if not rows and any(counts.values()):
            return None
        with localcontext(EXACT):
            cost = sum((row.usd * row.count / row.per for row in rows), Decimal(0))
        return self._used(input_tokens, rows), cost

    def _used(self, input_tokens: int, rows: list[PriceRow]) -> PriceUsed:
        shown: dict[str, Any] = {
            _PER_MILLION[rate.unit]: rate.at(input_tokens)[0]
            for rate in self.rates
            if rate.unit in _PER_MILLION
        }
        return PriceUsed.model_construct(
            **shown,
            source=SOURCE,
            effective=self.effective,
            version=self.version,
            provider=self.provider,
            model=self.model,
            rows=rows,
        )


class _Known(NamedTuple):
    """A model, whose prices are asked for; and whether they change within a day."""

    provider: Provider
    model: ModelInfo
    by_the_minute: bool


class _Kept:
    """What was looked up in one snapshot of the prices."""

    def __init__(self, snapshot: DataSnapshot) -> None:
        self.snapshot = snapshot
        self.models: dict[tuple[str | None, str], _Known | None] = {}
        self.rates: dict[tuple[object, ...], Rates] = {}


class Catalog:
    """Prices by provider, model and time. May be asked from any thread."""

    def __init__(self, snapshot: Callable[[], DataSnapshot] = get_snapshot) -> None:
        """Load the packaged prices.

        Args:
            snapshot: gives the prices in force; another object than last time is a newer list.
        """
        self._snapshot = snapshot
        self._kept = _Kept(snapshot())
        self._units = UnitRegistry(unit_data)

    def rates(
        self, provider: str | None, model: str, at: datetime, context: Mapping[str, str]
    ) -> Rates | None:
        """A model's price at a time; None when the list has no such model.

        Args:
            provider: by any usual name; without one the model's name must tell whose it is.
            model: as it was asked for.
            at: when.
            context: what the price depends on beside counts, as the library names it.
        """
        kept = self._kept
        if kept.snapshot is not self._snapshot():
            kept = self._kept = _Kept(self._snapshot())
        name = (provider, model)
        known = kept.models[name] if name in kept.models else self._look_up(kept, name)
        if known is None:
            return None
        minute = (at.hour, at.minute) if known.by_the_minute else None
        key = (name, at.date(), minute, *sorted(context.items()))
        found = kept.rates.get(key)
        if found is None:
            found = self._resolve(kept, known, at, context)
            _keep(kept.rates, key, found)
        return found

    def _look_up(self, kept: _Kept, name: tuple[str | None, str]) -> _Known | None:
        provider, model = name
        named = None if provider is None else provider_of(provider)
        known = None
        if provider is None or named is not None:
            id_ = None if named is None else named.id
            try:
                found = kept.snapshot.find_provider_model(model, None, id_, None)
            except LookupError:
                pass
            else:
                known = _Known(*found, _by_the_minute(found[1]))
        _keep(kept.models, name, known)
        return known

    def _resolve(
        self, kept: _Kept, known: _Known, at: datetime, context: Mapping[str, str]
    ) -> Rates:
        provider, model, _ = known
        is_own = any(model is own for own in provider.models)  # another's have no variants here
        price = model.get_prices(at, context if is_own else None)
        version = genai_prices.__version__
        if kept.snapshot.from_auto_update:
            version += kept.snapshot.timestamp.astimezone(UTC).strftime("+%Y%m%dT%H%M%SZ")
        return Rates(provider.id, model.id, _effective(model, at), version, self._rates_of(price))

    def _rates_of(self, price: ModelPrice) -> tuple[Rate, ...]:
        priced = [
            (self._units.unit_for_price_key(key), amount)
            for key, amount in vars(price).items()
            if amount is not None
        ]
        priced.sort(key=lambda each: (-len(each[0].dimensions), each[0].usage_key))
        units = [unit for unit, _ in priced]
        known = tuple(self._units.units.values())
        return tuple(
            _rate(unit, amount, units)._replace(overlaps=_overlaps(unit, known))
            for unit, amount in priced
        )


def _overlaps(unit: UnitDef, known: Sequence[UnitDef]) -> tuple[tuple[str, str], ...]:
    """The pairs of less specific kinds that have just this one in common."""
    whole = unit.dimensions.items()
    above = [each for each in known if each.dimensions.items() < whole]
    return tuple(
        (one.usage_key, other.usage_key)
        for one, other in combinations(above, 2)
        if one.dimensions.items() | other.dimensions.items() == whole
        and not one.dimensions.items() <= other.dimensions.items()
        and not other.dimensions.items() <= one.dimensions.items()
    )


def _rate(unit: UnitDef, amount: Decimal | TieredPrices, among: list[UnitDef]) -> Rate:
    within = tuple(
        other.usage_key
        for other in among
        if other is not unit and unit.dimensions.items() <= other.dimensions.items()
    )
    if isinstance(amount, TieredPrices):
        tiers = tuple((tier.start, tier.price) for tier in amount.tiers)
        return Rate(unit.usage_key, unit.per, amount.base, tiers, within)
    return Rate(unit.usage_key, unit.per, amount, (), within)


def _effective(model: ModelInfo, at: datetime) -> str | None:
    """Since when the standard price is in force that holds at a time, where the list says so."""
    if isinstance(model.prices, ModelPrice):
        return None
    for price in reversed(model.prices):
        if price.constraint is None or price.constraint.active(at):
            begins = price.constraint
            return (
                begins.start_date.isoformat() if isinstance(begins, StartDateConstraint) else None
            )
    return None


def _by_the_minute(model: ModelInfo) -> bool:
    conditions: list[object] = [each.constraint for each in model.price_variants or ()]
    if not isinstance(model.prices, ModelPrice):
        conditions += [each.constraint for each in model.prices]
    return any(isinstance(condition, TimeOfDateConstraint) for condition in conditions)


def _keep(kept: dict[K, V], key: K, value: V) -> None:
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[key] = value
