"""Commands on prices: state one, end one, price anew what was spent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import localcontext

from ledger import events as e
from ledger.commands.command import Decision
from ledger.errors import NotFound, VersionMismatch
from ledger.exact import EXACT
from ledger.model_prices import ModelPrices
from ledger.run_budget import Tally
from ledger.unit import Unit
from ledger.usage import Price


@dataclass(frozen=True, slots=True)
class SetPrice:
    """State what a model costs in the workspace."""

    model: str
    price: Price
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    note: str | None = None

    def decide(self, unit: Unit) -> Decision:
        """Record `set`; the decision's subject is the price's id."""
        prices = unit.model_prices(self.model)
        if prices is None:
            prices = unit.add(ModelPrices.begin(unit.stamp, self.model))
        price_id = unit.new_id()
        prices.set(
            unit.stamp,
            price_id,
            self.price,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            note=self.note,
        )
        return Decision(prices, price_id)


@dataclass(frozen=True, slots=True)
class EndPrice:
    """Have a price hold no more."""

    model: str
    price_id: str
    valid_until: datetime | None = None

    def decide(self, unit: Unit) -> Decision:
        """Record `ended`."""
        prices = unit.model_prices(self.model)
        if prices is None:
            raise NotFound("price", self.price_id)
        prices.end(unit.stamp, self.price_id, self.valid_until)
        return Decision(prices, self.price_id)


@dataclass(frozen=True, slots=True)
class RepriceUsage:
    """Price model calls of an execution anew, as it stands at a version.

    `changes` hold the facts of `UsageRepriced` but the reason, worked out from what was recorded
    up to that version.
    """

    execution_id: str
    version: int
    changes: Sequence[e.Json]
    reason: str

    def decide(self, unit: Unit) -> Decision:
        """Record `usage_repriced` for each. Raises VersionMismatch when more was recorded since."""
        execution = unit.target(self.execution_id)
        if execution.version != self.version:
            raise VersionMismatch(execution.id, self.version, execution.version)
        for change in self.changes:
            execution.reprice(unit.stamp, {**change, "reason": self.reason})
            unit.spend(execution.budget_owners, _difference(change))
        return Decision(execution)


def _difference(change: e.Json) -> Tally:
    """What a new price adds to what was spent."""
    before = change["previous_cost_usd"]
    with localcontext(EXACT):
        more = change["cost_usd"] - (before or 0)
    return Tally(more, unpriced=-change["total_tokens"] if before is None else 0)
