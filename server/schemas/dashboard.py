"""The dashboard's figures on the wire."""

from typing import Any

from pydantic import BaseModel, Field

from server.route import Query

_MOST_DAYS = 366


class DashboardQuery(Query):
    """How far back."""

    days: int = Field(30, ge=1, le=_MOST_DAYS, description="The last days in UTC, today included.")


class Overview(BaseModel):
    """Totals of the period."""

    total_executions: int
    total_cost: float | None
    total_cost_usd: str | None
    total_tokens: int
    unpriced_tokens: int
    total_agents: int
    error_count: int
    avg_duration_ms: float | None


class DayCount(BaseModel):
    """Executions of a day."""

    date: str
    count: int


class DayCost(BaseModel):
    """Money of a day."""

    date: str
    cost: float | None
    cost_usd: str | None


class AgentUsage(BaseModel):
    """An agent's share."""

    agent_id: str
    agent_name: str
    executions: int
    total_cost: float | None
    total_cost_usd: str | None


class ModelUsage(BaseModel):
    """A model's share."""

    model_name: str
    count: int
    total_cost: float | None
    total_cost_usd: str | None
    total_tokens: int


class ErrorRate(BaseModel):
    """Runs of a day that ended by an error."""

    date: str
    total: int
    errors: int
    error_rate: float


class DashboardMetrics(BaseModel):
    """Figures of the last days."""

    overview: Overview
    executions_by_day: list[DayCount]
    cost_by_day: list[DayCost]
    agent_usage: list[AgentUsage]
    model_usage: list[ModelUsage]
    error_rate: list[ErrorRate]
    score_trends: list[Any] = Field(description="Empty; published clients read it.")
