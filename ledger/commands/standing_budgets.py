"""Commands on the budgets of days: set one, end one, ask how they stand."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

from ledger.commands.command import Decision
from ledger.errors import NotFound
from ledger.exact import EXACT
from ledger.run_budget import spent_of
from ledger.standing_budgets import Purse, Scope, StandingBudget, StandingBudgets
from ledger.unit import Unit


@dataclass(frozen=True, slots=True)
class SetBudget:
    """Say what may be spent in a day."""

    scope: Scope
    key: str | None = None
    max_cost: Decimal | None = None
    max_total_tokens: int | None = None
    note: str | None = None

    def decide(self, unit: Unit) -> Decision:
        """Record `set`; the decision's subject is the budget's id."""
        budgets = unit.standing_budgets() or unit.add(StandingBudgets.begin(unit.stamp))
        budget_id = unit.new_id()
        budgets.set(
            unit.stamp,
            budget_id,
            scope=self.scope,
            key=self.key,
            max_cost=self.max_cost,
            max_total_tokens=self.max_total_tokens,
            note=self.note,
        )
        return Decision(budgets, budget_id)


@dataclass(frozen=True, slots=True)
class EndBudget:
    """Have a budget limit nothing any more."""

    budget_id: str

    def decide(self, unit: Unit) -> Decision:
        """Record `ended`."""
        budgets = unit.standing_budgets()
        if budgets is None:
            raise NotFound("budget", self.budget_id)
        budgets.end(unit.stamp, self.budget_id)
        return Decision(budgets, self.budget_id)


@dataclass(frozen=True, slots=True)
class LookAtBudgets:
    """See how the budgets of days stand, by the very sums that enforce them. It records nothing."""

    def decide(self, unit: Unit) -> Decision:
        """The decision's `budget` says of each budget, by its id, how it stands today.

        That is what is `used` and what `remaining` of each limit, in decimals and integers; and
        `spender`, where each agent or user has a budget of their own: the one who used most of it,
        whose figures these are, if anybody spent at all.
        """
        budgets = unit.standing_budgets()
        if budgets is None:
            raise NotFound("budget", "any")
        standing = {each.id: _today(each, unit) for each in budgets.budgets}
        return Decision(budgets, budget=standing)


def _today(budget: StandingBudget, unit: Unit) -> dict[str, Any]:
    def used_by(purse: Purse) -> dict[str, Any]:
        return dict(spent_of(budget.limits, unit.today(purse), unit.policy.unpriced_usd))

    def share(purse: Purse) -> Decimal:
        shares = (Decimal(each) / (most(name) or 1) for name, each in used_by(purse).items())
        return max(shares, default=Decimal(0))

    def most(name: str) -> Any:
        return getattr(budget.limits, name)

    purse = max(_purses(budget, unit), key=share, default=None)
    used = used_by(purse or (budget.scope, ""))
    with localcontext(EXACT):
        left = {name: max(most(name) - each, type(each)(0)) for name, each in used.items()}
    spender = purse[1] if purse is not None and budget.key is None else None
    return {"used": used, "remaining": left, "spender": spender or None}


def _purses(budget: StandingBudget, unit: Unit) -> Iterator[Purse]:
    """Who spends from a budget, as far as they spent today."""
    if budget.scope == "workspace" or budget.key is not None:
        yield budget.scope, budget.key or ""
    else:
        yield from (purse for purse in unit.spenders_today() if purse[0] == budget.scope)
