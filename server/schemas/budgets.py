"""Budgets on the wire."""

from typing import Literal

from pydantic import BaseModel, Field


class Remaining(BaseModel):
    """What is left of each limit that is set; over all budgets above, the least."""

    max_cost: str | None = Field(None, description="US dollars, decimal text.")
    max_total_tokens: int | None = None
    max_tool_calls: int | None = None


class BudgetState(BaseModel):
    """How the budgets stand that the run spends from."""

    state: Literal["ok", "exceeded"] = Field(
        description="`exceeded`: the run has failed with `budget_exceeded`; stop."
    )
    remaining: Remaining
