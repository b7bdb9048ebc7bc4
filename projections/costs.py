"""Costs as one may ask for them: of a period by day, or grouped by agent, model and day."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, select

from projections.amounts import Amount
from projections.cost_rows import NO_MODEL, NOTHING, Costs, Row, costs
from projections.errors import InvalidQuery
from projections.money import add

__all__ = [
    "GROUPS",
    "NO_MODEL",
    "Costs",
    "combined",
    "grouped",
    "period",
    "spent_in",
    "summary",
    "totals",
]

Json = dict[str, Any]

GROUPS: Final[Mapping[str, ColumnElement[Any]]] = {
    "agent": costs.c.agent_id,
    "model": costs.c.model,
    "day": costs.c.day,
}
"""What totals can be grouped by, from the roll-up alone."""


def summary(
    connection: Connection,
    workspace: str,
    first: date | None = None,
    last: date | None = None,
    agent_id: str | None = None,
) -> Json:
    """What a workspace, or one of its agents, spent in a period, in all and by day.

    Args:
        connection: to the views.
        workspace: whose costs.
        first: the first day in UTC; None is the beginning.
        last: the last day, included; None is today.
        agent_id: of one agent only.
    """
    conditions = period(workspace, first, last)
    if agent_id is not None:
        conditions.append(costs.c.agent_id == agent_id)
    days = totals(connection, [costs.c.day], conditions)
    all_days = combined(days)
    return {
        **spent_in(all_days, "total_cost"),
        "total_executions": all_days["executions"],
        "total_tokens": all_days["total_tokens"],
        "unpriced_tokens": all_days["unpriced_tokens"],
        "daily_costs": [_represent_day(row) for row in days],
    }


def grouped(
    connection: Connection,
    workspace: str,
    group_by: Sequence[str],
    first: date | None = None,
    last: date | None = None,
    *,
    agent_id: str | None = None,
    model: str | None = None,
) -> list[Json]:
    """Rows of totals, ordered by what they are grouped by.

    An execution may use many models, so `executions` is null where models are told apart.

    Args:
        connection: to the views.
        workspace: whose costs.
        group_by: any of agent, model and day; at least one.
        first: the first day in UTC; None is the beginning.
        last: the last day, included; None is today.
        agent_id: of one agent only.
        model: of one model only.

    Raises:
        InvalidQuery: names what it cannot group by.
    """
    if not group_by:
        raise InvalidQuery("group_by", f"say by what: {', '.join(GROUPS)}")
    for name in group_by:
        if name not in GROUPS:
            raise InvalidQuery("group_by", f"{name!r} is not one of {', '.join(GROUPS)}")
    by_model = "model" in group_by or model is not None
    conditions = period(workspace, first, last)
    if agent_id is not None:
        conditions.append(costs.c.agent_id == agent_id)
    if model is not None:
        conditions.append(costs.c.model == model)
    if by_model:
        conditions.append(costs.c.model != NO_MODEL)
    keys = dict.fromkeys(group_by)
    rows = totals(connection, [GROUPS[name].label(name) for name in keys], conditions)
    return [_represent_group(row, keys, by_model=by_model) for row in rows]


def period(workspace: str, first: date | None, last: date | None) -> list[ColumnElement[bool]]:
    """The conditions of the rows of a workspace in a period of days, both included."""
    conditions = [costs.c.workspace == workspace]
    if first is not None:
        conditions.append(costs.c.day >= first.isoformat())
    if last is not None:
        conditions.append(costs.c.day <= last.isoformat())
    return conditions


def totals(
    connection: Connection,
    by: Sequence[ColumnElement[Any]],
    conditions: Sequence[ColumnElement[bool]],
) -> list[Row]:
    """Sums of the rows that satisfy conditions, one row for each group, in the groups' order."""
    sums = [func.sum(costs.c[name]).label(name) for name in NOTHING]
    statement = select(*by, *sums).where(*conditions).group_by(*by).order_by(*by)
    found = connection.execute(statement).mappings()
    return [_whole(row) for row in found]


def combined(rows: Sequence[Row]) -> Row:
    """The totals of rows of totals."""
    total = NOTHING
    for row in rows:
        total = {name: add(value, row[name]) for name, value in total.items()}
    return total


def spent_in(row: Row, name: str) -> Json:
    """The money of a row of totals, as a number under this name and as exact text.

    It is null when there were calls and the price of none is known; without calls it is 0.
    """
    return Amount.in_row(row).shown(name, spent=row["calls"] > 0)


def _whole(row: Mapping[Any, Any]) -> Row:
    """A row with integers where a database gives sums as decimals."""
    sums = NOTHING
    known = {name: None if row[name] is None else int(row[name]) for name in sums}
    return {**row, **known}


def _represent_day(row: Row) -> Json:
    return {
        "date": row["day"],
        **spent_in(row, "cost"),
        "executions": row["executions"],
        "tokens": row["total_tokens"],
        "unpriced_tokens": row["unpriced_tokens"],
    }


def _represent_group(row: Row, keys: Mapping[str, Any], *, by_model: bool) -> Json:
    return {
        **{name: row[name] for name in keys},
        "executions": None if by_model else row["executions"],
        "calls": row["calls"],
        **spent_in(row, "cost"),
        "prompt_tokens": row["prompt_tokens"],
        "completion_tokens": row["completion_tokens"],
        "total_tokens": row["total_tokens"],
        "unpriced_tokens": row["unpriced_tokens"],
    }
