"""Costs on the wire. A cost is a number for published clients and an exact decimal text beside."""

from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from server.route import Query


class PeriodQuery(Query):
    """A period of whole days in UTC, both ends included."""

    from_: date | None = Field(None, alias="from", description="The first day, as YYYY-MM-DD.")
    to: date | None = Field(None, description="The last day, as YYYY-MM-DD.")


class DailyCost(BaseModel):
    """The totals of one day in UTC."""

    date: str
    cost: float | None
    cost_usd: str | None
    executions: int
    tokens: int
    unpriced_tokens: int


class CostSummary(BaseModel):
    """The totals of a period. Tokens without a known price are counted apart, never as free."""

    total_cost: float | None
    total_cost_usd: str | None
    total_executions: int
    total_tokens: int
    unpriced_tokens: int
    daily_costs: list[DailyCost]


class CostRow(BaseModel):
    """The totals of one group, whose values stand beside them under the names of the grouping.

    An execution may call many models: where these are told apart, `executions` is null.
    """

    model_config = ConfigDict(extra="allow")

    executions: int | None
    calls: int
    cost: float | None
    cost_usd: str | None
    total_tokens: int
    unpriced_tokens: int
