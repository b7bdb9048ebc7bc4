"""Traces: the log of a run, read as spans."""

from typing import Any

from projections import spans
from server.route import Answer, Call, Handle, Route, one, page
from server.schemas import traces as s

_TRACES = "/api/v1/traces"


async def list_(call: Call) -> Answer:
    """Spans, newest first."""
    asked = call.query.model_dump(exclude={"page", "limit", "cursor"})
    found = await call.services.query(
        lambda connection: spans.list_spans(
            connection, call.workspace, call.query.wanted, call.services.ledger, **asked
        )
    )
    return page(found.items, found.meta)


async def summary(call: Call) -> Answer:
    """Totals over spans."""
    asked = call.query.model_dump()
    found = await call.services.query(
        lambda connection: spans.summary(connection, call.workspace, **asked)
    )
    return one(found)


async def show(call: Call) -> Answer:
    """Every span of a trace, in the order in which they began."""
    trace_id = call.path("trace_id")
    found = await call.services.query(
        lambda connection: spans.get_trace(
            connection, call.workspace, trace_id, call.services.ledger
        )
    )
    return one(found)


def _route(path: str, handle: Handle, summary: str, **more: Any) -> Route:
    more.setdefault("answer", s.Span)
    return Route(method="GET", path=path, handle=handle, summary=summary, tag="traces", **more)


ROUTES = (
    _route(_TRACES, list_, "List spans", query=s.TracesQuery, many="page"),
    _route(
        f"{_TRACES}/summary",
        summary,
        "Totals over spans",
        query=s.TraceSummaryQuery,
        answer=s.TraceSummary,
    ),
    _route(f"{_TRACES}/{{trace_id}}", show, "Show a trace", many="list"),
)
