"""The things of a ledger that are about money: totals, prices and budgets."""

from typing import Any

from ledger_client.record import Record

Json = dict[str, Any]


class CostSummary(Record):
    """What was spent in a period, in all and by day."""

    total_cost: float | None
    total_cost_usd: str | None
    total_executions: int
    total_tokens: int
    unpriced_tokens: int
    daily_costs: list[Json]


class CostRow(Record):
    """The totals of one group; the values it is grouped by stand beside them."""

    executions: int | None
    calls: int
    cost: float | None
    cost_usd: str | None
    inclusive_cost: float | None
    inclusive_cost_usd: str | None
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_tokens: int
    unpriced_tokens: int


class StatedPrice(Record):
    """A price that the workspace states, as decimal text: US dollars per million tokens."""

    id: str
    model: str
    workspace_id: str
    input: str
    output: str
    cached_input: str | None
    cache_creation: str | None
    valid_from: str | None
    valid_until: str | None
    note: str
    created_by: str
    created_at: str


class UnpricedModel(Record):
    """A model that was called and of which nobody knows the price."""

    model: str
    unpriced_tokens: int
    first_day: str
    last_day: str


class Difference(Record):
    """What new prices change, for an agent and a model."""

    agent_id: str
    agent_name: str
    model: str
    calls: int
    newly_priced_tokens: int
    previous_cost_usd: str
    cost_usd: str


class Repriced(Record):
    """What was worked out for a page of executions, and recorded unless it was a dry run."""

    dry_run: bool
    executions: int
    repriced: int
    too_busy: list[str]
    total: int
    next_cursor: str | None

    @property
    def differences(self) -> list[Difference]:
        """What costs something else now, by agent and model."""
        return [Difference(each) for each in self["differences"]]


class DayBudget(Record):
    """A budget of days in force. Money is decimal text.

    `today` has what is `used` and what is `remaining` of `cost` and `total_tokens`; and `spender`,
    who used most of a budget that each agent or user has.
    """

    id: str
    workspace_id: str
    scope: str
    agent_id: str | None
    user_id: str | None
    max_cost: str | None
    max_total_tokens: int | None
    note: str
    created_by: str
    created_at: str
    today: Json | None
