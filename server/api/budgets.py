"""Budgets of days: what the workspace, an agent or a user may spend."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from ledger.commands import EndBudget, LookAtBudgets, SetBudget
from projections import agents, budgets
from server.auth import Permission
from server.errors import InvalidRequest
from server.route import Answer, Call, Handle, Route, nothing, one, page
from server.schemas import budgets as s
from server.schemas.paging import PageQuery

Json = dict[str, Any]

_BUDGETS = "/api/v1/budgets"


async def list_(call: Call) -> Answer:
    """Budgets in force, newest first, each with what is used of it today.

    That is by the sums that enforce it: what was recorded today, with tokens of unknown price at
    `LEDGER_BUDGET_UNPRICED_USD` per million.
    """
    found = await call.services.query(
        lambda connection: budgets.list_budgets(connection, call.workspace, call.query.wanted)
    )
    return page(await _with_today(call, found.items), found.meta)


async def set_(call: Call) -> Answer:
    """Say what may be spent in a day. What was spent today counts already."""
    body = call.body
    command = SetBudget(
        body.scope, await _key(call), body.max_cost, body.max_total_tokens, body.note
    )
    receipt = await call.services.record(command, await call.caller(), call.size())
    made = await call.services.query(
        lambda connection: budgets.get_budget(connection, call.workspace, receipt.subject or "")
    )
    return one((await _with_today(call, [made]))[0], status=HTTPStatus.CREATED)


async def end(call: Call) -> Answer:
    """Have a budget limit nothing any more; its history stays."""
    await call.services.record(EndBudget(call.path("budget_id")), await call.caller())
    return nothing()


async def _with_today(call: Call, found: Sequence[Json]) -> list[Json]:
    """Budgets, and how they stand; null of one that was ended meanwhile."""
    if not found:
        return []
    caller = (await call.caller())._replace(key=None, expected_version=None)
    standing = (await call.services.record(LookAtBudgets(), caller)).budget or {}
    return [{**each, "today": _shown(standing.get(each["id"]))} for each in found]


def _shown(today: Json | None) -> Json | None:
    if today is None:
        return None
    limits = {"cost": "max_cost", "total_tokens": "max_total_tokens"}
    sides = {
        side: {name: today[side].get(limit) for name, limit in limits.items()}
        for side in ("used", "remaining")
    }
    return {**sides, "spender": today["spender"]}


async def _key(call: Call) -> str | None:
    """Whose budget it is, checked against its scope."""
    body = call.body
    given = {"agent": body.agent_id, "user": body.user_id}
    key = given.pop(body.scope, None)
    if wrong := [f"{scope}_id" for scope, id_ in given.items() if id_ is not None]:
        message = f"{wrong[0]}: a budget of scope {body.scope!r} has none"
        raise InvalidRequest(message)
    if body.max_cost is None and body.max_total_tokens is None:
        message = "max_cost, max_total_tokens: give at least one of them"
        raise InvalidRequest(message)
    if body.scope == "agent" and key is not None:
        agent_id: str = key
        await call.services.query(
            lambda connection: agents.get_agent(connection, call.workspace, agent_id)
        )
    return key or None


def _route(method: str, path: str, handle: Handle, summary: str, **more: Any) -> Route:
    more.setdefault("answer", s.DayBudget)
    return Route(method=method, path=path, handle=handle, summary=summary, tag="budgets", **more)


ROUTES = (
    _route("GET", _BUDGETS, list_, "List budgets of days", query=PageQuery, many="page"),
    _route(
        "POST",
        _BUDGETS,
        set_,
        "Set a budget of days",
        body=s.BudgetBody,
        needs=Permission.ADMINISTER,
        status=HTTPStatus.CREATED,
    ),
    _route(
        "DELETE",
        f"{_BUDGETS}/{{budget_id}}",
        end,
        "End a budget of days",
        answer=None,
        needs=Permission.ADMINISTER,
        status=HTTPStatus.NO_CONTENT,
    ),
)
