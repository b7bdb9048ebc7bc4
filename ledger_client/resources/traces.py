"""Traces: runs, read as spans."""

from typing import Any

from ledger_client.method import Awaiting, Blocking, Method, Walk
from ledger_client.models import Span, TraceSummary
from ledger_client.paging import Page, page_of
from ledger_client.record import many, one
from ledger_client.request import Call, ask, place


def _list(
    _: Any,
    /,
    *,
    page: int | None = None,
    limit: int | None = None,
    cursor: str | None = None,
    trace_id: str | None = None,
    kind: str | None = None,
    **filters: Any,
) -> Call[Page[Span]]:
    """Spans, newest first; `kind` is agent, llm or tool.

    Args:
        page: counted from 1.
        limit: rows of a page, at most 100.
        cursor: `meta.next_cursor` of the page before; wins over `page`.
        trace_id: of the trace.
        kind: of the span.
        filters: `status`, `model_name`, `agent_id`, `session_id`, `execution_id`.
    """
    query = {"page": page, "limit": limit, "cursor": cursor, "trace_id": trace_id, "kind": kind}
    return ask("/traces", page_of(Span), {**query, **filters})


class TraceMethods:
    """What there is to ask about traces."""

    iterate = Walk(_list)

    @Method
    def get(self, trace_id: str) -> Call[list[Span]]:
        """Every span of a trace, in the order in which they began."""
        return ask(place("traces", trace_id), many(Span))

    @Method
    def summary(self, /, **filters: Any) -> Call[TraceSummary]:
        """Totals over spans; the filters are those of the list, `date_from` and `date_to`."""
        return ask("/traces/summary", one(TraceSummary), filters)

    get_by_trace_id = get
    get_summary = summary
    list = Method(_list)


class Traces(TraceMethods, Blocking):
    """Traces, for the blocking client."""


class AsyncTraces(TraceMethods, Awaiting):
    """Traces, for the asyncio client."""
