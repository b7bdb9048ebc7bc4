"""Prices: what models cost here, of which nobody knows it, and what was spent priced anew."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ledger_client.method import Awaiting, Blocking, Method, Walk
from ledger_client.money import Repriced, StatedPrice, UnpricedModel
from ledger_client.paging import Page, page_of
from ledger_client.record import many, one
from ledger_client.request import Call, ask, by_metadata, place, write

Unpriced = list[UnpricedModel]


def _list(
    _: Any,
    *,
    page: int | None = None,
    limit: int | None = None,
    cursor: str | None = None,
    model: str | None = None,
) -> Call[Page[StatedPrice]]:
    """Prices that the workspace states, newest first; those that ended too."""
    query = {"page": page, "limit": limit, "cursor": cursor, "model": model}
    return ask("/prices", page_of(StatedPrice), query)


class PriceMethods:
    """What there is to do with prices."""

    list = Method(_list)
    iterate = Walk(_list)

    @Method
    def unknown(self) -> Call[Unpriced]:
        """Models that were called and have no price, most tokens first."""
        return ask("/prices/unknown", many(UnpricedModel))

    @Method
    def set(
        self,
        model: str,
        *,
        input: Any,  # noqa: A002  the contract's name
        output: Any,
        cached_input: Any = None,
        cache_creation: Any = None,
        valid_from: Any = None,
        valid_until: Any = None,
        note: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[StatedPrice]:
        """State what a model costs. It counts for usage that is recorded from now on.

        Args:
            model: as usage reports name it, exactly.
            input: US dollars per million tokens of the prompt; decimal text, or a number.
            output: of the completion.
            cached_input: of tokens read from a cache; else `input`.
            cache_creation: of tokens put there; else `input`.
            valid_from: since when, RFC 3339 text or `datetime`. By default the first price of a
                model holds for all the past too, and a later one from now on.
            valid_until: until when; by default for ever.
            note: why, for the history.
            idempotency_key: the same key states once; by default each call is its own.
        """
        body = {
            "model": model,
            "input": _money(input),
            "output": _money(output),
            "cached_input": _money(cached_input),
            "cache_creation": _money(cache_creation),
            "valid_from": _time(valid_from),
            "valid_until": _time(valid_until),
            "note": note,
        }
        return write("POST", "/prices", one(StatedPrice), body, idempotency_key)

    @Method
    def end(
        self, price_id: str, *, valid_until: Any = None, idempotency_key: str | None = None
    ) -> Call[StatedPrice]:
        """Have a price hold no more, from a time on; by default from now on."""
        body = {"valid_until": _time(valid_until)}
        return write(
            "POST", place("prices", price_id, "end"), one(StatedPrice), body, idempotency_key
        )

    @Method
    def reprice(
        self,
        /,
        *,
        reason: str = "",
        dry_run: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **filters: Any,
    ) -> Call[Repriced]:
        """Price anew what a page of executions spent, by the prices of the time of each call.

        Call it again with `cursor=` the answer's `next_cursor` until that is None.

        Args:
            reason: why; kept with each new price. Needed unless it is a dry run.
            dry_run: work it out and record nothing.
            limit: executions of a page, at most 100.
            cursor: `next_cursor` of the answer before.
            metadata: keys of the top level with their values.
            filters: every other one of a list of executions.
        """
        body = {"reason": reason, "dry_run": dry_run}
        query = {"limit": limit, "cursor": cursor, **filters, **by_metadata(metadata)}
        return write("POST", "/prices/reprice", one(Repriced), body).with_query(**query)


def _money(amount: Any) -> str | None:
    """Exact: a float would say what it is near to, and its text is what was meant."""
    return None if amount is None else str(amount)


def _time(moment: Any) -> str | None:
    if moment is None:
        return None
    return moment.isoformat() if isinstance(moment, datetime) else str(moment)


class Prices(PriceMethods, Blocking):
    """Prices, for the blocking client."""


class AsyncPrices(PriceMethods, Awaiting):
    """Prices, for the asyncio client."""
