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

    An execution may call many models: where calls are told apart, `executions` is null. Own costs
    stand in `cost` and `cost_usd`, inclusive ones in `inclusive_cost` and `inclusive_cost_usd`;
    never are both in a row. They are what is known of the money, beside `unpriced_tokens`.
    """

    model_config = ConfigDict(extra="allow")

    executions: int | None
    calls: int
    cost: float | None = None
    cost_usd: str | None = None
    inclusive_cost: float | None = None
    inclusive_cost_usd: str | None = None
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_tokens: int
    unpriced_tokens: int
