"""What a workspace, an agent or a user may spend in a day, until the budget is ended."""

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Any, ClassVar, Final, Literal, NamedTuple, Self

from eventsourcing.domain import BaseAggregate

from ledger.errors import LimitExceeded, NotFound
from ledger.event import Event, FirstEvent, Stamp, envelope_of
from ledger.run_budget import RunBudget
from ledger.strict_json import encode

MOST_BUDGETS: Final = 1_000
Scope = Literal["workspace", "agent", "user"]
Purse = tuple[Scope, str]
"""Who spends: a scope, and the id in it; "" for the workspace."""


class BudgetsBegun(FirstEvent):
    """A workspace set its first budget."""

    TOPIC: ClassVar[str] = "budget.begun.v1"


class BudgetSet(Event):
    """What may be spent in a day, from midnight to midnight in UTC.

    By the whole workspace, by an agent, or by a user; without `key` by each agent, or each user.
    """

    TOPIC: ClassVar[str] = "budget.set.v1"

    budget_id: str
    scope: Scope
    key: str | None = None
    max_cost: Decimal | None = None
    max_total_tokens: int | None = None
    note: str | None = None


class BudgetEnded(Event):
    """A budget limits nothing any more."""

    TOPIC: ClassVar[str] = "budget.ended.v1"

    budget_id: str


class StandingBudget(NamedTuple):
    """A budget in force."""

    id: str
    scope: Scope
    key: str | None
    limits: RunBudget

    def purse(self, agent_id: str, user_id: str) -> Purse | None:
        """From which sum an execution of an agent for a user spends; None if it is not limited."""
        spender = {"workspace": "", "agent": agent_id, "user": user_id}[self.scope]
        if self.scope != "workspace" and (not spender or self.key not in {None, spender}):
            return None
        return self.scope, spender


class StandingBudgets(BaseAggregate[str]):
    """The budgets of a workspace that are in force."""

    TOPIC = "budget"

    def __init__(self) -> None:
        self.workspace = ""
        self.budgets: tuple[StandingBudget, ...] = ()

    @staticmethod
    @lru_cache(maxsize=1_024)
    def id_of(workspace: str) -> str:
        """The same for everybody who asks for the budgets of a workspace."""
        return f"budget:{sha256(encode((workspace,))).hexdigest()[:40]}"

    @classmethod
    def begin(cls, stamp: Stamp) -> Self:
        """Make room for the budgets of a workspace that has none."""
        return cls._create(
            BudgetsBegun,
            id=cls.id_of(stamp.workspace),
            timestamp=stamp.at,
            envelope=envelope_of(stamp),
        )

    def set(self, stamp: Stamp, budget_id: str, **facts: Any) -> None:
        """Set a budget. Raises LimitExceeded when the workspace has 1,000."""
        if len(self.budgets) >= MOST_BUDGETS:
            message = f"a workspace has at most {MOST_BUDGETS} budgets"
            raise LimitExceeded(message)
        self._record(stamp, BudgetSet, budget_id=budget_id, **facts)

    def end(self, stamp: Stamp, budget_id: str) -> None:
        """End a budget. Raises NotFound when none of that id is in force."""
        if all(each.id != budget_id for each in self.budgets):
            raise NotFound("budget", budget_id)
        self._record(stamp, BudgetEnded, budget_id=budget_id)

    def _record(self, stamp: Stamp, event: type[Event], **facts: Any) -> None:
        self.trigger_event(event, timestamp=stamp.at, envelope=envelope_of(stamp), **facts)

    def evolve(self, event: Event) -> None:
        """Follow a recorded fact."""
        match event:
            case BudgetsBegun():
                self.workspace = event.envelope.stamp.workspace
            case BudgetSet():
                limits = RunBudget(max_cost=event.max_cost, max_total_tokens=event.max_total_tokens)
                budget = StandingBudget(event.budget_id, event.scope, event.key, limits)
                self.budgets += (budget,)
            case BudgetEnded():
                self.budgets = tuple(each for each in self.budgets if each.id != event.budget_id)
            case _:
                pass


def purses_of(agent_id: str, user_id: str) -> tuple[Purse, ...]:
    """All sums that an execution of an agent for a user adds to."""
    purses: tuple[Purse, ...] = (("workspace", ""), ("agent", agent_id))
    return (*purses, ("user", user_id)) if user_id else purses


def day_of(at: datetime) -> str:
    """The day of a time in UTC, for which budgets hold."""
    return at.date().isoformat()
