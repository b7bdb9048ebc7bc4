"""Costs: what was spent, in a period, by an agent, or grouped by whatever one asks."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from projections import agents, cost_groups, costs
from projections.cost_questions import question
from projections.filters import parse_filters
from server.route import Answer, Call, Handle, Route, one
from server.schemas import costs as s
from server.schemas.filters import CostsQuery

_COSTS = "/api/v1/costs"
_AGENT = f"{_COSTS}/agents/{{agent_id}}"
_CSV = "text/csv"
_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def summary(call: Call) -> Answer:
    """What the workspace spent in a period, in all and by day."""
    found = await call.services.query(
        lambda connection: costs.summary(
            connection, call.workspace, call.query.from_, call.query.to
        )
    )
    return one(found)


async def of_agent(call: Call) -> Answer:
    """What an agent spent in a period, in all and by day."""
    agent_id = call.path("agent_id")

    def query(connection: Any) -> dict[str, Any]:
        agents.get_agent(connection, call.workspace, agent_id)
        return costs.summary(connection, call.workspace, call.query.from_, call.query.to, agent_id)

    return one(await call.services.query(query))


async def of_agent_too(call: Call) -> Answer:
    """What an agent spent in a period: the other path by which clients ask."""
    return await of_agent(call)


async def grouped(call: Call) -> Answer:
    """Totals of executions by agent, model, user, session, workspace, day or metadata.

    Where models are told apart, an execution counts once for each that it called. Days are those
    of the calls, in UTC.
    """
    parameters = dict(call.request.query)
    by = [name.strip() for name in parameters.pop("group_by", "agent").split(",") if name.strip()]
    asked = question(call.workspace, by, parse_filters(parameters.items()))
    rows = await call.services.query(lambda connection: cost_groups.grouped(connection, asked))
    if _CSV in call.request.headers.get("Accept", ""):
        return web.Response(text=_csv(rows, by), content_type=_CSV)
    return one(rows)


def _csv(rows: Sequence[Mapping[str, Any]], by: Sequence[str]) -> str:
    """Rows as RFC 4180 has them; money as its exact text, unknown as an empty cell."""
    names = [*by, *(name for name in s.CostRow.model_fields if name != "cost")]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in names])
    return text.getvalue()


def _cell(value: Any) -> Any:
    """A value as a spreadsheet shows it and does not run it."""
    if isinstance(value, str) and value.startswith(_BEGINS_A_FORMULA):
        return f"'{value}"
    return value


def _route(path: str, handle: Handle, summary: str, **more: Any) -> Route:
    more.setdefault("answer", s.CostSummary)
    more.setdefault("query", s.PeriodQuery)
    return Route(method="GET", path=path, handle=handle, summary=summary, tag="costs", **more)


ROUTES = (
    _route(f"{_COSTS}/summary", summary, "What was spent in a period"),
    _route(_AGENT, of_agent, "What an agent spent in a period"),
    _route(f"{_AGENT}/summary", of_agent_too, "What an agent spent in a period, once more"),
    _route(
        _COSTS,
        grouped,
        "Totals by whatever one asks",
        query=CostsQuery,
        lenient_query=True,
        answer=s.CostRow,
        many="list",
        other_media=(_CSV,),
    ),
)
