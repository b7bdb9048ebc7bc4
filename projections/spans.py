"""Spans as one may ask for them: a list, a trace, and what they come to.

Whose they are, the view of executions knows; what they say, the log. Spans are listed with their
executions, newest first: `created_at` of a span is its execution's.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    case,
    cast,
    func,
    literal,
    select,
)

from ledger.errors import NotFound
from projections.amounts import Amount
from projections.execution_tables import executions, labels
from projections.labels import MODEL, searchable
from projections.pages import Listing, Order, PageRequest, counted, fetch
from projections.span_json import Json, Reader, represent, span_id
from projections.span_rows import AGENT, Spans
from projections.span_tables import spans
from projections.times import micros

__all__ = ["MOST_IN_TRACE", "Reader", "Spans", "get_trace", "list_spans", "span_id", "summary"]

MOST_IN_TRACE = 10_000

_OF_SPANS = frozenset({"kind", "execution_id", "model_name"})
_OF_EXECUTIONS = frozenset({"trace_id", "agent_id", "session_id"})
_BEGAN = case(
    (spans.c.kind == AGENT, func.coalesce(executions.c.started_at, executions.c.created_at)),
    else_=spans.c.started_at,
)
_ID = spans.c.execution_id + literal(":") + cast(spans.c.sequence + 10**9, String)


def list_spans(
    connection: Connection,
    workspace: str,
    request: PageRequest,
    log: Reader,
    *,
    status: str | None = None,
    **equal: str | None,
) -> Listing:
    """A page of the spans of a workspace, those of the newest execution first.

    Args:
        connection: to the views.
        workspace: of the spans.
        request: which page.
        log: where it is written what the spans say.
        status: ok or error.
        equal: what must be as given: trace_id, kind, execution_id, agent_id, session_id,
            model_name; None is anything.

    Raises:
        InvalidQuery: the cursor is not one of this list.
    """
    matching, created_at = _matching(workspace, status, equal)
    order = Order("-created_at", created_at, _ID)
    page = fetch(connection, matching, order, request, lambda: counted(connection, matching))
    return page._replace(items=represent(connection, log, page.items))


def get_trace(connection: Connection, workspace: str, trace_id: str, log: Reader) -> list[Json]:
    """The spans of a trace in the order in which they began; the first ten thousand of them.

    Args:
        connection: to the views.
        workspace: of the trace.
        trace_id: of the trace.
        log: where it is written what the spans say.

    Raises:
        NotFound: there is no such trace in this workspace.
    """
    matching, _ = _matching(workspace, None, {"trace_id": trace_id})
    in_order = matching.order_by(_BEGAN, spans.c.execution_id, spans.c.sequence)
    found = connection.execute(in_order.limit(MOST_IN_TRACE)).mappings()
    rows = [dict(row) for row in found]
    if not rows:
        raise NotFound("trace", trace_id)
    return represent(connection, log, rows)


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
        date_from: the first day on which their executions were created, or a time.
        date_to: the last day, included, or a time.
        status: ok or error.
        equal: as in `list_spans`.
    """
    matching, created_at = _matching(workspace, status, equal)
    if date_from is not None:
        matching = matching.where(created_at >= _micros(date_from))
    if isinstance(date_to, datetime):
        matching = matching.where(created_at <= _micros(date_to))
    elif date_to is not None:
        matching = matching.where(created_at < _micros(date_to + timedelta(days=1)))
    statement = matching.with_only_columns(*_TOTALS, maintain_column_froms=True)
    row = connection.execute(statement).mappings().one()
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


_DURATION = case((spans.c.kind == AGENT, executions.c.duration_ms), else_=spans.c.duration_ms)
_TOTALS = (
    func.count(executions.c.trace_id.distinct()).label("total_traces"),
    func.sum(spans.c.total_tokens).label("total_tokens"),
    func.sum(spans.c.cost_nano).label("cost_nano"),
    func.sum(spans.c.cost_rest).label("cost_rest"),
    func.count(spans.c.model_name).label("calls"),
    func.sum(case((spans.c.cost_nano.is_(None), spans.c.total_tokens))).label("unpriced_tokens"),
    func.avg(_DURATION).label("average"),
    func.count(spans.c.failed).label("error_count"),
    func.count(spans.c.model_name.distinct()).label("unique_models"),
    func.count(executions.c.session_id.distinct()).label("unique_sessions"),
)

_COLUMNS = (
    *spans.columns,
    *(
        executions.c[name].label(f"execution_{name}")
        for name in ("status", "error", "started_at", "completed_at", "duration_ms", "parent_id")
    ),
    *(executions.c[n] for n in ("trace_id", "agent_id", "agent_name", "user_id", "session_id")),
)


def _matching(
    workspace: str, status: str | None, equal: Mapping[str, str | None]
) -> tuple[Select[Any], ColumnElement[Any]]:
    """The spans that are asked for; and the column to sort by, in whose order they are found."""
    statement = (
        select(*_COLUMNS)
        .select_from(executions.join(spans, spans.c.execution_id == executions.c.id))
        .where(executions.c.workspace == workspace, spans.c.workspace == workspace)
    )
    created_at: ColumnElement[Any] = executions.c.created_at
    for name, value in equal.items():
        if value is not None:
            table = spans if name in _OF_SPANS else executions
            statement = statement.where(table.c[name] == value)
    if status is not None:
        failed = status == "error"
        statement = statement.where(
            spans.c.failed.is_not(None) if failed else spans.c.failed.is_(None)
        )
        created_at = spans.c.created_at if failed else created_at
    model = equal.get("model_name")
    if model is not None:
        label = labels.alias()
        statement = statement.join(label, label.c.execution_id == executions.c.id).where(
            label.c.workspace == workspace,
            label.c.name == MODEL,
            label.c.value == searchable(model),
        )
        created_at = label.c.created_at
    return statement, created_at


def _micros(moment: datetime | date) -> int:
    """A day begins at midnight in UTC; a time without a zone is in UTC."""
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return micros(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
