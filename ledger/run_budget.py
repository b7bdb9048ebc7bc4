"""What a run may spend, with all that runs below it; and what it has spent."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from ledger.errors import InvalidConfig, Refused
from ledger.exact import EXACT
from ledger.fields import Count, Money

_MILLION: Final = Decimal(1_000_000)
_LEAST_RAISED: Final = Decimal("1e-12")
_MOST_RAISED: Final = Decimal(10**9)


class RunBudget(BaseModel):
    """Limits over an execution and everything below it; what is None has none.

    Attributes:
        max_cost: US dollars.
        max_total_tokens: of model calls.
        max_tool_calls: begun.
        max_children: executions below it, their children included.
        max_depth: levels below it; 0 is no child at all.
        ask_at: US dollars past which a human is asked to raise `max_cost`.
        raise_by: dollars by which they are asked to raise it; by `max_cost` if None.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    max_cost: Decimal | None = None
    max_total_tokens: int | None = None
    max_tool_calls: int | None = None
    max_children: int | None = None
    max_depth: int | None = None
    ask_at: Decimal | None = None
    raise_by: Decimal | None = None

    def raised(self, by: Decimal) -> "RunBudget":
        """The same with more money, where money is limited."""
        if self.max_cost is None or not by:
            return self
        with localcontext(EXACT):
            return self.model_copy(update={"max_cost": self.max_cost + by})


class _Asked(BaseModel):
    """A budget as a version may ask for it."""

    max_cost: Money | None = None
    max_total_tokens: Count | None = None
    max_tool_calls: Count | None = None
    max_children: Count | None = None
    max_depth: Count | None = None
    ask_at: Money | None = None
    raise_by: Money | None = None


def budget_in(given: Any) -> RunBudget | None:
    """The budget that a version asks for; None when it sets no limit.

    Raises:
        InvalidConfig: a limit is out of its bounds, or not a number; names it.
    """
    if given is None:
        return None
    try:
        asked = _Asked.model_validate(given)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(("run_budget", *map(str, problem["loc"])))
        message = f"{where}: {problem['msg']}"
        raise InvalidConfig(message) from None
    budget = RunBudget(**dict(asked))
    if budget.max_cost is None and (budget.ask_at is not None or budget.raise_by is not None):
        message = "run_budget.ask_at, run_budget.raise_by: only with max_cost, which they are about"
        raise InvalidConfig(message)
    return None if budget == RunBudget() else budget


def check_limits(given: Any) -> None:
    """Check the budget of a version that is new.

    Raises:
        InvalidConfig: as `budget_in`, or a limit that there is not: misspelled, it limits nothing.
    """
    budget_in(given)
    unknown = sorted(set(given or ()) - set(_Asked.model_fields))
    if unknown:
        known = ", ".join(_Asked.model_fields)
        message = f"run_budget.{unknown[0]}: there is no such limit; there are {known}"
        raise InvalidConfig(message)


CHECKPOINT: Final = "budget"
"""The checkpoint at which a run under a budget asks for more money."""


class Raise(NamedTuple):
    """What a yes at the checkpoint adds to a budget.

    Attributes:
        owner_id: the execution whose budget it is, as the request says.
        by: US dollars.
    """

    owner_id: str
    by: Decimal


def raise_in(payload: Mapping[str, Any]) -> Raise | None:
    """What a request at the checkpoint asks for; None where it names no amount."""
    try:
        by = Decimal(str(payload.get("raise_by")))
        is_amount = _LEAST_RAISED <= by <= _MOST_RAISED
    except InvalidOperation:
        return None
    return Raise(str(payload.get("budget_of")), by) if is_amount else None


class BudgetExceeded(Refused):
    """A run budget forbids another execution below the run that has it."""

    code = "budget_exceeded"


class Tally(NamedTuple):
    """What was spent in a tree."""

    cost: Decimal = Decimal(0)
    tokens: int = 0
    unpriced: int = 0
    tool_calls: int = 0

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        with localcontext(EXACT):
            cost = self.cost + other.cost
        return Tally(cost, *(mine + more for mine, more in zip(self[1:], other[1:], strict=True)))

    def charged(self, unpriced_usd: Decimal) -> Decimal:
        """The cost that counts: tokens of unknown price at so many dollars per million."""
        with localcontext(EXACT):
            return self.cost + self.unpriced * unpriced_usd / _MILLION


def spent_of(budget: RunBudget, tally: Tally, unpriced_usd: Decimal) -> Mapping[str, Any]:
    """What counts against each of the limits that a budget sets on spending."""
    spent: Mapping[str, Any] = {
        "max_cost": tally.charged(unpriced_usd),
        "max_total_tokens": tally.tokens,
        "max_tool_calls": tally.tool_calls,
    }
    return {name: each for name, each in spent.items() if getattr(budget, name) is not None}
