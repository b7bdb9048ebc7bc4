"""Commands on the budgets of days: set one, end one."""

from dataclasses import dataclass
from decimal import Decimal

from ledger.commands.command import Decision
from ledger.errors import NotFound
from ledger.standing_budgets import Scope, StandingBudgets
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
