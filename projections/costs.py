"""Costs of a period, in all and by day: the summaries that published clients ask for."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, select

from projections.amounts import Amount
from projections.cost_questions import Period
from projections.cost_rows import Costs
from projections.cost_tables import BY_AGENT, HOUR, HOURS, SUMS, Cut
from projections.times import time_of

__all__ = [
    "NOTHING",
    "Costs",
    "Row",
    "combined",
    "date_of",
    "period",
    "spent_in",
    "summary",
    "totals",
]

Json = dict[str, Any]
Row = dict[str, Any]

NOTHING: Final[Row] = dict.fromkeys(SUMS, 0)
"""The totals of nothing."""


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
    conditions = period(BY_AGENT, workspace, first, last)
    if agent_id is not None:
        conditions.append(BY_AGENT.table.c.agent == agent_id)
    days = totals(connection, BY_AGENT, "day", conditions)
    all_days = combined(days)
    return {
        **spent_in(all_days, "total_cost"),
        "total_executions": all_days["executions"],
        "total_tokens": all_days["total_tokens"],
        "unpriced_tokens": all_days["unpriced_tokens"],
        "daily_costs": [_represent_day(row) for row in days],
    }


def period(
    cut: Cut, workspace: str, first: date | None, last: date | None
) -> list[ColumnElement[bool]]:
    """The conditions of the totals of a workspace in a period of days, both included."""
    table = cut.table.c
    begin, end = Period(first, last).days
    conditions = [table.workspace == workspace]
    if begin is not None:
        conditions.append(table.day >= begin)
    if end is not None:
        conditions.append(table.day <= end)
    return conditions


def totals(
    connection: Connection, cut: Cut, by: str, conditions: Sequence[ColumnElement[bool]]
) -> list[Row]:
    """Sums of the totals that satisfy conditions, one row for each group, in the groups' order."""
    key = cut.table.c[by]
    sums = [func.sum(cut.table.c[name]).label(name) for name in SUMS]
    statement = select(key, *sums).where(*conditions).group_by(key).order_by(key)
    return [
        {by: group, **dict(zip(SUMS, map(int, values), strict=True))}
        for group, *values in connection.execute(statement)
    ]


def combined(rows: Sequence[Row]) -> Row:
    """The totals of rows of totals."""
    return {name: sum(row[name] for row in rows) for name in SUMS}


def spent_in(row: Mapping[str, Any], name: str) -> Json:
    """The money of a row of totals, as a number under this name and as exact text.

    It is null when there were calls and the price of none is known; without calls it is 0.
    """
    known = row["priced_calls"] > 0
    amount = Amount(row["cost_nano"], row["cost_rest"]) if known else Amount()
    return amount.shown(name, spent=row["calls"] > 0)


@lru_cache(maxsize=4_096)
def date_of(day: int) -> str:
    """A day since 1970, as YYYY-MM-DD."""
    return time_of(day * HOURS * HOUR).date().isoformat()


def _represent_day(row: Row) -> Json:
    return {
        "date": date_of(row["day"]),
        **spent_in(row, "cost"),
        "executions": row["executions"],
        "tokens": row["total_tokens"],
        "unpriced_tokens": row["unpriced_tokens"],
    }
