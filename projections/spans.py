"""Spans as one may ask for them: a list, a trace, and what they come to."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, case, func, select

from ledger.errors import NotFound
from ledger.strict_json import decode_stored
from projections.amounts import Amount
from projections.pages import Listing, Order, PageRequest, counted, fetch
from projections.span_rows import Spans, span_id
from projections.span_tables import spans
from projections.times import micros, text_of

__all__ = ["MOST_IN_TRACE", "Spans", "get_trace", "list_spans", "represent", "span_id", "summary"]

Json = dict[str, Any]

MOST_IN_TRACE = 10_000


def list_spans(
    connection: Connection,
    workspace: str,
    request: PageRequest,
    *,
    status: str | None = None,
    **equal: str | None,
) -> Listing:
    """A page of the spans of a workspace, newest first.

    Args:
        connection: to the views.
        workspace: of the spans.
        request: which page.
        status: ok or error.
        equal: columns and what they must be: trace_id, kind, execution_id, agent_id, session_id,
            model_name; None is anything.

    Raises:
        InvalidQuery: the cursor is not one of this list.
    """
    matching = select(spans).where(*_conditions(workspace, status, equal))
    order = Order("-created_at", spans.c.created_at, spans.c.id)
    page = fetch(connection, matching, order, request, lambda: counted(connection, matching))
    return page._replace(items=[represent(row) for row in page.items])


def get_trace(connection: Connection, workspace: str, trace_id: str) -> list[Json]:
    """The spans of a trace in the order in which they began; the first ten thousand of them.

    Raises:
        NotFound: there is no such trace in this workspace.
    """
    wanted = (
        select(spans)
        .where(spans.c.workspace == workspace, spans.c.trace_id == trace_id)
        .order_by(spans.c.started_at, spans.c.execution_id, spans.c.sequence)
        .limit(MOST_IN_TRACE)
    )
    rows = connection.execute(wanted).mappings()
    found = [represent(row) for row in rows]
    if not found:
        raise NotFound("trace", trace_id)
    return found


def summary(
    connection: Connection,
    workspace: str,
    *,
    date_from: datetime | date | None = None,
    date_to: datetime | date | None = None,
    status: str | None = None,
    **equal: str | None,
) -> Json:
    """What the spans that match come to.

    Tokens and money stand on model calls alone, so nothing is counted twice. Errors and the
    average duration are those of all spans that match; ask for the kind "agent" to have those of
    executions.

    Args:
        connection: to the views.
        workspace: of the spans.
        date_from: the first day, or a time.
        date_to: the last day, included, or a time.
        status: ok or error.
        equal: as in `list_spans`.
    """
    conditions = _conditions(workspace, status, equal)
    if date_from is not None:
        conditions.append(spans.c.created_at >= _micros(date_from))
    if isinstance(date_to, datetime):
        conditions.append(spans.c.created_at <= _micros(date_to))
    elif date_to is not None:
        conditions.append(spans.c.created_at < _micros(date_to + timedelta(days=1)))
    row = connection.execute(select(*_TOTALS).where(*conditions)).mappings().one()
    return {
        "total_traces": row["total_traces"],
        "total_tokens": int(row["total_tokens"] or 0),
        **Amount.in_row(row).shown("total_cost", spent=row["calls"] > 0),
        "unpriced_tokens": int(row["unpriced_tokens"] or 0),
        "avg_duration_ms": None if row["average"] is None else float(row["average"]),
        "error_count": row["error_count"],
        "unique_models": row["unique_models"],
        "unique_sessions": row["unique_sessions"],
    }


_TOTALS = (
    func.count(spans.c.trace_id.distinct()).label("total_traces"),
    func.sum(spans.c.total_tokens).label("total_tokens"),
    func.sum(spans.c.cost_nano).label("cost_nano"),
    func.sum(spans.c.cost_rest).label("cost_rest"),
    func.count(spans.c.model_name).label("calls"),
    func.sum(case((spans.c.cost_nano.is_(None), spans.c.total_tokens))).label("unpriced_tokens"),
    func.avg(spans.c.duration_ms).label("average"),
    func.count(spans.c.error_message).label("error_count"),
    func.count(spans.c.model_name.distinct()).label("unique_models"),
    func.count(spans.c.session_id.distinct()).label("unique_sessions"),
)


def _conditions(
    workspace: str, status: str | None, equal: Mapping[str, str | None]
) -> list[ColumnElement[bool]]:
    conditions = [spans.c.workspace == workspace]
    conditions += [spans.c[name] == value for name, value in equal.items() if value is not None]
    if status is not None:
        failed = status == "error"
        message = spans.c.error_message
        conditions.append(message.is_not(None) if failed else message.is_(None))
    return conditions


def _micros(moment: datetime | date) -> int:
    """A day begins at midnight in UTC; a time without a zone is in UTC."""
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def represent(row: Mapping[Any, Any]) -> Json:
    """The JSON object of a span. Input and output stand in it as they were recorded."""
    usage = _decoded(row["token_usage"])
    return {
        "id": row["id"],
        "workspace_id": row["workspace"],
        "trace_id": row["trace_id"],
        "span_id": row["id"],
        "parent_span_id": row["parent_id"],
        "parent_id": row["parent_id"],
        "name": row["name"],
        "kind": row["kind"],
        "status": "ok" if row["error_message"] is None else "error",
        "input": _encoded(row["input"]),
        "output": _encoded(row["output"]),
        "attributes": _decoded(row["attributes"]),
        "token_usage": usage,
        **Amount.in_row(row).shown("cost"),
        "duration_ms": row["duration_ms"],
        "error_message": row["error_message"] or "",
        "prompt_tokens": usage.get("prompt_tokens", 0),
        "completion_tokens": usage.get("completion_tokens", 0),
        "total_tokens": row["total_tokens"] or 0,
        "model_name": row["model_name"] or "",
        "agent_id": row["agent_id"],
        "agent_name": row["agent_name"],
        "user_id": row["user_id"],
        "session_id": row["session_id"] or "",
        "execution_id": row["execution_id"],
        "started_at": text_of(row["started_at"]),
        "ended_at": text_of(row["ended_at"]),
        "created_at": text_of(row["created_at"]),
    }


def _encoded(text: str | None) -> orjson.Fragment | None:
    return None if text is None else orjson.Fragment(text)


def _decoded(text: str | None) -> Json:
    decoded: Json = {} if text is None else decode_stored(text.encode())
    return decoded
