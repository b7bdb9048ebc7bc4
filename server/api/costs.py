"""Costs: what was spent, in a period, by an agent, or grouped by whatever one asks."""

from typing import Any

from projections import agents, cost_groups, costs, focus
from projections.cost_questions import parse_question
from projections.errors import InvalidQuery
from server.exports import CSV, send_csv
from server.route import Answer, Call, Handle, Route, one
from server.schemas import costs as s
from server.schemas.filters import CostsQuery

_COSTS = "/api/v1/costs"
_AGENT = f"{_COSTS}/agents/{{agent_id}}"


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
    """Totals of executions by any of what they are grouped by, over everything that is asked for.

    A call counts on the day, and in the hour, in which it was made, an execution in that of its
    creation, in UTC. `scope=own`, which is the default, is what executions spent themselves;
    `scope=inclusive` is what they and all below them spent, counted under the execution at the top,
    in fields of other names. Where models or providers are told apart, `executions` is null, since
    an execution may call many.

    `format=csv`, or `Accept: text/csv`, gives the rows as CSV, however many there are;
    `format=focus` gives charges of FOCUS 1.2 by day, agent, model and provider, where everything
    else of `group_by` stands in `Tags`, and `hour` makes the charges hourly.
    """
    parameters = call.parameters
    form = next((text for name, text in parameters if name == _FORMAT), "") or _accepted(call)
    others = [(name, text) for name, text in parameters if name != _FORMAT]
    asked = parse_question(call.workspace, others)
    match form:
        case "json":
            return one(await call.services.query(lambda views: cost_groups.grouped(views, asked)))
        case "csv":
            columns = [name for name in cost_groups.names_of(asked) if name not in _NUMBERS]
            return await send_csv(call, "costs", columns, lambda v: cost_groups.each(v, asked))
        case "focus":
            charged = focus.charges_of(asked)
            return await send_csv(call, "focus", focus.COLUMNS, lambda v: focus.charges(v, charged))
        case _:
            raise InvalidQuery(_FORMAT, f"{form[:40]!r} is none of json, csv, focus")


_FORMAT = "format"
_NUMBERS = frozenset({"cost", "inclusive_cost"})  # money as a number is not exact; its text is


def _accepted(call: Call) -> str:
    return "csv" if CSV in call.request.headers.get("Accept", "") else "json"


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
        other_media=(CSV,),
    ),
)
