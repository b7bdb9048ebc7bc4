"""A provider's own usage object, read as counts: every provider counts in its own way.

genai-prices knows which field says what, and what is counted apart from what. Where it is silent,
or an endpoint counts differently from its kin, the sums of the object itself decide.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from re import match
from typing import Any, Final, NamedTuple

from genai_prices.data_snapshot import find_provider_by_id, get_snapshot
from genai_prices.types import Provider, UsageExtractor

from ledger.errors import InvalidUsage
from ledger.exact import EXACT
from ledger.usage import Usage

Raw = Mapping[str, Any]

_NORMAL: Final = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "cache_read_tokens": "cached_tokens",
    "cache_write_tokens": "cache_creation_tokens",
    "output_reasoning_tokens": "reasoning_tokens",
}
"""The library's name of a count -> ours."""

_TOTALS: Final = ("total_tokens", "totalTokens", "totalTokenCount")
_BY_SHAPE: Final = (
    ("openai", "chat"),
    ("openai", "responses"),
    ("anthropic", "default"),
    ("google", "default"),
    ("aws", "default"),
)
"""Whose fields are tried, in this order, on the words of a provider that nobody knows."""

_MOST: Final = 2**53
_MOST_DOLLARS: Final = 10**9
_LEAST_DOLLARS: Final = Decimal("1e-18")
_TICKS: Final = Decimal(10**10)  # in which xAI counts a dollar


class Reading(NamedTuple):
    """What a provider said, as the ledger counts.

    Attributes:
        usage: the normalised counts; the total is filled in.
        units: what is counted beside them, by the library's names: audio, searches, cache writes
            by how long they last.
        cost_usd: what the provider says that it cost.
        context: what the price depends on beside counts, as the library names it.
    """

    usage: Usage
    units: dict[str, int]
    cost_usd: Decimal | None
    context: dict[str, str]


def read(raw: Raw, provider: str | None, model: str) -> Reading | None:
    """Read a usage object, or a whole response that holds one; None when nobody can.

    Args:
        raw: as the provider gave it.
        provider: by any usual name; without one the model's name, then the fields must tell.
        model: as it was asked for.

    Raises:
        InvalidUsage: the object is read, and contradicts itself; says how.
    """
    found = _best(raw, _own(provider, model.lower())) or _best(raw, _by_shape())
    if found is None:
        return None
    extractor, values = found
    if out := {name: count for name, count in values.items() if not 0 <= count <= _MOST}:
        message = f"raw: {', '.join(out)} is below 0 or beyond 2^53"
        raise InvalidUsage(message, **out)
    said = _usage_object(raw, extractor)
    counts = _normalised(values, said)
    _check_total(counts, values, said)
    units = {name: count for name, count in values.items() if name not in _NORMAL and count}
    return Reading(Usage(**counts), units, _cost(said), context_of(_tier(raw, said), said))


def context_of(tier: str | None, said: Raw | None = None) -> dict[str, str]:
    """What a price may depend on beside counts: `batch`, or another tier of service; the speed."""
    context: dict[str, str] = {}
    if tier is not None:
        context["processing" if tier == "batch" else "service_tier"] = tier
    speed = None if said is None else said.get("speed")
    if isinstance(speed, str):
        context["speed"] = speed
    return context


@lru_cache(maxsize=4096)
def provider_of(name: str) -> Provider | None:
    """The provider of a name, or of a host; None when the library knows none."""
    providers = get_snapshot().providers
    found = find_provider_by_id(providers, name)
    if found is not None:
        return found
    urls = (f"https://{name}", f"https://{name}/")
    return next(
        (each for each in providers if any(match(each.api_pattern, url) for url in urls)), None
    )


@lru_cache(maxsize=4096)
def _own(provider: str | None, model: str) -> Sequence[UsageExtractor]:
    """How the provider counts that is named, or else the one whose model it is."""
    named = None if provider is None else provider_of(provider)
    if named is None:
        try:
            named = get_snapshot().find_provider(model, None, None)
        except LookupError:
            return ()
    return named.extractors or ()


@cache
def _by_shape() -> Sequence[UsageExtractor]:
    known = {each.id: each.extractors or () for each in get_snapshot().providers}
    return [
        extractor
        for provider, flavor in _BY_SHAPE
        for extractor in known.get(provider, ())
        if extractor.api_flavor == flavor
    ]


def _best(
    raw: Raw, extractors: Sequence[UsageExtractor]
) -> tuple[UsageExtractor, dict[str, int]] | None:
    """The reading that finds the most counts in the object; of equals the first."""
    best: tuple[UsageExtractor, dict[str, int]] | None = None
    for extractor in extractors:
        try:
            _, usage = extractor.extract(_rooted(raw, _root(extractor)))
        except ValueError:
            continue
        values = {name: count for name, count in vars(usage).items() if type(count) is int}
        if len(values) == len(vars(usage)) and (best is None or len(values) > len(best[1])):
            best = extractor, values
    return best


def _root(extractor: UsageExtractor) -> list[str]:
    root = extractor.root
    return [root] if isinstance(root, str) else [str(step) for step in root]


def _rooted(raw: Raw, root: Sequence[str]) -> Raw:
    """The object where the library looks for it: in a response."""
    if isinstance(raw.get(root[0]), dict):
        return raw
    for step in reversed(root):
        raw = {step: raw}
    return raw


def _usage_object(raw: Raw, extractor: UsageExtractor) -> Raw:
    said: Any = _rooted(raw, _root(extractor))
    for step in _root(extractor):
        said = said[step]
    return said  # type: ignore[no-any-return] # the extractor found counts in it


def _normalised(values: Mapping[str, int], said: Raw) -> dict[str, int]:
    counts = {ours: values[theirs] for theirs, ours in _NORMAL.items() if theirs in values}
    counts.setdefault("prompt_tokens", 0)
    counts.setdefault("completion_tokens", 0)
    hit = said.get("prompt_cache_hit_tokens")
    if "cached_tokens" not in counts and type(hit) is int:
        counts["cached_tokens"] = hit
    if "cache_creation_tokens" not in counts:
        written = [n for name, n in values.items() if name.startswith("cache_write_")]
        counts |= {"cache_creation_tokens": sum(written)} if written else {}
    _place_reasoning(counts, _total(said))
    counts["total_tokens"] = counts["prompt_tokens"] + counts["completion_tokens"]
    return counts


def _place_reasoning(counts: dict[str, int], total: int | None) -> None:
    """Have the completion include the reasoning once: the object's own total tells."""
    reasoning = counts.get("reasoning_tokens", 0)
    if reasoning and total is not None:
        apart = total - counts["prompt_tokens"] - counts["completion_tokens"]
        if abs(apart) == reasoning:
            counts["completion_tokens"] += apart


def _check_total(counts: Mapping[str, int], values: Mapping[str, int], said: Raw) -> None:
    """Some leave out of their total what they charge apart; none adds what nobody spent."""
    total = _total(said)
    if total is None:
        return
    most = counts["prompt_tokens"] + counts["completion_tokens"]
    apart = sum(counts.get(name, 0) for name in list(_NORMAL.values())[2:])
    apart += values.get("output_citation_tokens", 0) + values.get("input_tool_tokens", 0)
    if not most - apart <= total <= most:
        message = f"raw: the total is {total}, yet prompt and completion come to {most}"
        raise InvalidUsage(message, **{**counts, "total_tokens": total})


def _total(said: Raw) -> int | None:
    return next((said[name] for name in _TOTALS if type(said.get(name)) is int), None)


def _tier(raw: Raw, said: Raw) -> str | None:
    tiers: Iterator[Any] = (each.get("service_tier") for each in (said, raw))
    return next((tier for tier in tiers if isinstance(tier, str)), None)


def _cost(said: Raw) -> Decimal | None:
    """What the provider says that it cost, in its own words: OpenRouter, Perplexity, xAI."""
    cost = said.get("cost")
    if isinstance(cost, dict):
        cost = cost.get("total_cost")
    ticks = said.get("cost_in_usd_ticks")
    if cost is None and type(ticks) is int and ticks >= 0:
        return EXACT.divide(Decimal(ticks), _TICKS)
    if cost is None or isinstance(cost, str | bool | list | dict):
        return None
    try:
        dollars = Decimal(str(cost))
        is_amount = dollars == 0 or _LEAST_DOLLARS <= dollars <= _MOST_DOLLARS
    except InvalidOperation:
        return None
    return dollars if is_amount else None
