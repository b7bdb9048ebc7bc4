"""Budgets of days: what the workspace, an agent or a user may spend, and what of it is used."""

from typing import Any

from ledger_client.method import Awaiting, Blocking, Method, Walk
from ledger_client.money import DayBudget
from ledger_client.paging import Page, page_of
from ledger_client.record import nothing, one
from ledger_client.request import Call, ask, place, write


def _list(
    _: Any, *, page: int | None = None, limit: int | None = None, cursor: str | None = None
) -> Call[Page[DayBudget]]:
    """Budgets in force, newest first, each with what is used of it today."""
    query = {"page": page, "limit": limit, "cursor": cursor}
    return ask("/budgets", page_of(DayBudget), query)


class BudgetMethods:
    """What there is to do with budgets of days."""

    list = Method(_list)
    iterate = Walk(_list)

    @Method
    def set(
        self,
        scope: str,
        *,
        agent_id: str | None = None,
        user_id: str | None = None,
        max_cost: Any = None,
        max_total_tokens: int | None = None,
        note: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[DayBudget]:
        """Say what may be spent in a day, from midnight to midnight in UTC.

        What was spent today counts already. Give at least one of the limits.

        Args:
            scope: who spends: `workspace`, `agent` or `user`.
            agent_id: with `agent`: which; else each by itself.
            user_id: with `user`: which; else each by itself.
            max_cost: US dollars; decimal text, or a number.
            max_total_tokens: tokens.
            note: why, for the history.
            idempotency_key: the same key sets once; by default each call is its own.
        """
        body = {
            "scope": scope,
            "agent_id": agent_id,
            "user_id": user_id,
            "max_cost": None if max_cost is None else str(max_cost),
            "max_total_tokens": max_total_tokens,
            "note": note,
        }
        return write("POST", "/budgets", one(DayBudget), body, idempotency_key)

    @Method
    def end(self, budget_id: str) -> Call[None]:
        """Have a budget limit nothing any more. Its history stays."""
        return write("DELETE", place("budgets", budget_id), nothing)


class Budgets(BudgetMethods, Blocking):
    """Budgets, for the blocking client."""


class AsyncBudgets(BudgetMethods, Awaiting):
    """Budgets, for the asyncio client."""
