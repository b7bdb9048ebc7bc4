"""Traces on the wire: an execution's log, read as spans."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from ledger.fields import Word
from server.route import Query
from server.schemas.paging import PageQuery

Kind = Literal["agent", "llm", "tool"]
SpanStatus = Literal["ok", "error"]


class SpanFilters(Query):
    """Which spans."""

    kind: Kind | None = None
    status: SpanStatus | None = None
    model_name: Word | None = None
    agent_id: Word | None = None
    session_id: Word | None = None
    execution_id: Word | None = None


class TracesQuery(PageQuery, SpanFilters):
    """Which spans, and which page of them."""

    trace_id: Word | None = None


class TraceSummaryQuery(SpanFilters):
    """Which spans are summed up."""

    date_from: datetime | date | None = Field(None, description="From this day or time on.")
    date_to: datetime | date | None = Field(None, description="Up to this day, included, or time.")
    trace_id: Word | None = None


class Span(BaseModel):
    """One step of a run: the run itself, a call of a model, a call of a tool."""

    id: str
    workspace_id: str
    trace_id: str
    span_id: str
    parent_span_id: str = Field(description="Empty for the root.")
    parent_id: str = Field(description="The same.")
    name: str
    kind: Kind
    status: SpanStatus
    input: Any
    output: Any
    attributes: dict[str, Any]
    token_usage: dict[str, Any]
    cost: float | None
    cost_usd: str | None
    duration_ms: int | None
    error_message: str
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    model_name: str
    agent_id: str
    agent_name: str
    user_id: str
    session_id: str
    execution_id: str
    started_at: str
    ended_at: str | None
    created_at: str


class TraceSummary(BaseModel):
    """Totals over spans."""

    total_traces: int
    total_tokens: int
    total_cost: float | None
    total_cost_usd: str | None
    unpriced_tokens: int
    avg_duration_ms: float | None
    error_count: int
    unique_models: int
    unique_sessions: int
