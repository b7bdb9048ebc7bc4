"""Prices: what the workspace says that models cost, and of which models nobody knows it."""

from http import HTTPStatus
from typing import Any

from ledger.commands import EndPrice, SetPrice
from ledger.model_prices import SOURCE
from ledger.usage import Price
from projections import executions, prices
from projections.filters import parse_filters
from server.auth import Permission
from server.errors import InvalidRequest
from server.repricing import Repricing
from server.route import Answer, Call, Handle, Route, one, page
from server.schemas import prices as s

_PRICES = "/api/v1/prices"


async def list_(call: Call) -> Answer:
    """Prices that the workspace states, newest first; those that ended too."""
    found = await call.services.query(
        lambda connection: prices.list_prices(
            connection, call.workspace, call.query.wanted, call.query.model
        )
    )
    return page(found.items, found.meta)


async def unknown(call: Call) -> Answer:
    """Models that were called and have no price, most tokens first: those to state a price for."""
    found = await call.services.query(
        lambda connection: prices.unpriced_models(connection, call.workspace)
    )
    return one(found)


async def set_(call: Call) -> Answer:
    """State a price. It counts for usage that is recorded from now on; what is stays as it is."""
    body = call.body
    price = Price(
        input=body.input,
        output=body.output,
        cached_input=body.cached_input,
        cache_creation=body.cache_creation,
        source=SOURCE,
    )
    command = SetPrice(body.model, price, body.valid_from, body.valid_until, body.note)
    receipt = await call.services.record(command, await call.caller(), call.size())
    return one(await _price(call, receipt.subject or ""), status=HTTPStatus.CREATED)


async def end(call: Call) -> Answer:
    """Have a price hold no more."""
    id_ = call.path("price_id")
    price = await _price(call, id_)
    command = EndPrice(price["model"], id_, call.body.valid_until)
    await call.services.record(command, await call.caller())
    return one(await _price(call, id_))


async def reprice(call: Call) -> Answer:
    """Price anew what was spent, by the prices of the time of each call as they are stated now.

    A new cost is recorded beside the old one, which stays in the history; lists and totals go by
    the newest. What the provider reported stays, and a known cost never becomes unknown. Ask again
    with `next_cursor` until there is none.
    """
    if not (call.body.dry_run or call.body.reason.strip()):
        message = "reason: say why; it is kept with each new price"
        raise InvalidRequest(message)
    wanted = parse_filters([*call.parameters, ("fields", "id,agent_id,agent_name")])
    page_ = await call.services.query(
        lambda connection: executions.list_executions(connection, call.workspace, wanted)
    )
    stated = await call.services.query(
        lambda connection: prices.stated_prices(connection, call.workspace)
    )
    work = Repricing(call.services, stated, await call.caller())
    reason = None if call.body.dry_run else call.body.reason
    done = await work.reprice(page_.items, reason)
    told = {
        "dry_run": call.body.dry_run,
        "executions": len(page_.items),
        **done,
        "total": page_.meta["total"],
        "next_cursor": page_.meta["next_cursor"],
    }
    return one(told)


async def _price(call: Call, id_: str) -> dict[str, Any]:
    return await call.services.query(
        lambda connection: prices.get_price(connection, call.workspace, id_)
    )


def _route(method: str, path: str, handle: Handle, summary: str, **more: Any) -> Route:
    more.setdefault("answer", s.StatedPrice)
    return Route(method=method, path=path, handle=handle, summary=summary, tag="prices", **more)


ROUTES = (
    _route("GET", _PRICES, list_, "List stated prices", query=s.PricesQuery, many="page"),
    _route(
        "GET",
        f"{_PRICES}/unknown",
        unknown,
        "Models without a price",
        answer=s.UnpricedModel,
        many="list",
    ),
    _route(
        "POST",
        _PRICES,
        set_,
        "State a price",
        body=s.PriceBody,
        needs=Permission.ADMINISTER,
        status=HTTPStatus.CREATED,
    ),
    _route(
        "POST",
        f"{_PRICES}/reprice",
        reprice,
        "Price anew what was spent",
        query=s.RepriceQuery,
        lenient_query=True,
        body=s.RepriceBody,
        answer=s.Repriced,
        needs=Permission.ADMINISTER,
    ),
    _route(
        "POST",
        f"{_PRICES}/{{price_id}}/end",
        end,
        "End a price",
        body=s.EndBody,
        needs=Permission.ADMINISTER,
    ),
)
