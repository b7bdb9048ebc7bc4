"""Budgets on the wire."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from ledger.fields import Count, Money, Word
from ledger.standing_budgets import Scope
from server.route import Body


class Remaining(BaseModel):
    """What is left of each limit that is set; over all budgets above, the least."""

    max_cost: str | None = Field(None, description="US dollars, decimal text.")
    max_total_tokens: int | None = None
    max_tool_calls: int | None = None


class BudgetState(BaseModel):
    """How the budgets stand that the run spends from."""

    state: Literal["ok", "ask", "exceeded"] = Field(
        description="`ask`: a human is to be asked for more, see `ask`. `exceeded`: the run has "
        "failed with `budget_exceeded`; stop."
    )
    remaining: Remaining
    ask: dict[str, Any] | None = Field(
        None, description="The payload of the request for approval, at the checkpoint `budget`."
    )


class BudgetBody(Body):
    """What may be spent in a day, from midnight to midnight in UTC. At least one of the limits."""

    scope: Scope = Field(description="Who spends: all of the workspace, an agent, or a user.")
    agent_id: Word | None = Field(None, description="With `agent`: which; else each by itself.")
    user_id: Word | None = Field(None, description="With `user`: which; else each by itself.")
    max_cost: Money | None = Field(None, description="US dollars.")
    max_total_tokens: Count | None = None
    note: str | None = Field(None, max_length=1_000, description="Why, for the history.")


class Amounts(BaseModel):
    """Of each limit that is set."""

    cost: str | None = Field(description="US dollars, decimal text.")
    total_tokens: int | None


class Today(BaseModel):
    """How a budget stands today, by the sums that enforce it."""

    used: Amounts
    remaining: Amounts
    spender: str | None = Field(
        description="Of a budget that each agent or user has: whose figures these are, the one who "
        "used most of it."
    )


class DayBudget(BaseModel):
    """A budget in force."""

    id: str
    workspace_id: str
    scope: Scope
    agent_id: str | None
    user_id: str | None
    max_cost: str | None = Field(description="Decimal text.")
    max_total_tokens: int | None
    note: str
    created_by: str
    created_at: str
    today: Today | None = Field(description="Null of a budget that was ended just now.")
