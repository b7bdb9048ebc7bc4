"""The figures of a dashboard: the last days of a workspace, from the roll-up of costs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from projections.agent_rows import ACTIVE, agents
from projections.cost_tables import BY_AGENT, BY_MODEL, NO_MODEL
from projections.costs import NOTHING, Row, combined, date_of, period, spent_in, totals

Json = dict[str, Any]

_MOST_SHARES = 100
"""How many agents, and how many models, are told apart; those with the most to show."""


def metrics(connection: Connection, workspace: str, days: int, today: date) -> Json:
    """The figures of the last days.

    Days on which nothing happened are in it. An error is an execution that failed; one that was
    cancelled or rejected ended as somebody wished.

    Args:
        connection: to the views.
        workspace: whose figures.
        days: how many, today included.
        today: in UTC.
    """
    dates = [today - timedelta(days=ago) for ago in reversed(range(days))]
    conditions = period(BY_AGENT, workspace, dates[0], today)
    found = {date_of(row["day"]): row for row in totals(connection, BY_AGENT, "day", conditions)}
    by_day = [(day, found.get(day, NOTHING)) for day in map(date.isoformat, dates)]
    return {
        "overview": _overview(connection, workspace, [row for _, row in by_day]),
        "executions_by_day": [{"date": day, "count": row["executions"]} for day, row in by_day],
        "cost_by_day": [{"date": day, **spent_in(row, "cost")} for day, row in by_day],
        "agent_usage": _agent_usage(connection, workspace, conditions),
        "model_usage": _model_usage(connection, period(BY_MODEL, workspace, dates[0], today)),
        "error_rate": [{"date": day, **_error_rate(row)} for day, row in by_day],
        "score_trends": [],
    }


def _overview(connection: Connection, workspace: str, rows: Sequence[Row]) -> Json:
    total = combined(rows)
    active = select(func.count()).where(agents.c.workspace == workspace, agents.c.status == ACTIVE)
    durations = total["durations"]
    return {
        "total_executions": total["executions"],
        **spent_in(total, "total_cost"),
        "total_tokens": total["total_tokens"],
        "unpriced_tokens": total["unpriced_tokens"],
        "total_agents": connection.scalar(active),
        "error_count": total["errors"],
        "avg_duration_ms": total["duration_ms"] / durations if durations else None,
    }


def _agent_usage(
    connection: Connection, workspace: str, conditions: Sequence[ColumnElement[bool]]
) -> list[Json]:
    rows = _greatest(totals(connection, BY_AGENT, "agent", conditions), "executions")
    names = _names(connection, workspace, [row["agent"] for row in rows])
    return [
        {
            "agent_id": row["agent"],
            "agent_name": names.get(row["agent"], ""),
            "executions": row["executions"],
            **spent_in(row, "total_cost"),
        }
        for row in rows
    ]


def _names(connection: Connection, workspace: str, ids: Sequence[str]) -> Mapping[str, str]:
    wanted = select(agents.c.id, agents.c.name).where(
        agents.c.workspace == workspace, agents.c.id.in_(ids)
    )
    return {row.id: row.name for row in connection.execute(wanted)}


def _model_usage(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> list[Json]:
    of_models = [*conditions, BY_MODEL.table.c.model != NO_MODEL]
    return [
        {
            "model_name": row["model"],
            "count": row["calls"],
            **spent_in(row, "total_cost"),
            "total_tokens": row["total_tokens"],
        }
        for row in _greatest(totals(connection, BY_MODEL, "model", of_models), "calls")
    ]


def _greatest(rows: Iterable[Row], by: str) -> list[Row]:
    return sorted(rows, key=lambda row: row[by], reverse=True)[:_MOST_SHARES]


def _error_rate(row: Row) -> Json:
    total, errors = row["executions"], row["errors"]
    return {
        "total": total,
        "errors": errors,
        "error_rate": errors / total if total else 0.0,
    }
