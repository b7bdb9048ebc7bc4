"""One command's view of the aggregates: forks of what is recorded, and what they want to record.

Everything here runs on the writer's thread. A unit that is refused is dropped and leaves no trace;
the forks of one that is accepted become what the next unit of the same batch sees.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from ledger.access import ApiKey
from ledger.agent import Agent
from ledger.aggregates import A, Aggregate, Aggregates, fork_of
from ledger.budget_tree import BudgetTree
from ledger.claims import AgentName, IdempotencyKey
from ledger.errors import NotFound, VersionMismatch
from ledger.event import Stamp, Storable
from ledger.events import ToolStarted
from ledger.execution import Execution
from ledger.ids import new_id
from ledger.mapper import LedgerMapper
from ledger.model_prices import ModelPrices
from ledger.price_catalog import Catalog
from ledger.role import Role
from ledger.run_budget import Tally
from ledger.score_config import ScoreConfig
from ledger.spending import NOTHING, Spending, SpentInDays, SpentToday
from ledger.standing_budgets import Purse, StandingBudgets, day_of
from ledger.usage import Price


class Policy(NamedTuple):
    """What decisions depend on beside the aggregates.

    Attributes:
        prices: by model name, US dollars per million tokens.
        approval_ttl: how long an approval waits when its request does not say; None is for ever.
        catalog: what models cost of which nobody here states a price.
        unpriced_usd: dollars per million tokens that budgets count where no price is known.
    """

    prices: Mapping[str, Price] = {}
    approval_ttl: timedelta | None = None
    catalog: Catalog | None = None
    unpriced_usd: Decimal = Decimal(10)


class Unit:
    """The aggregates a command reads and changes, and who is asking."""

    __slots__ = (
        "_batch",
        "_expected_version",
        "_forks",
        "_recorded",
        "_spending",
        "policy",
        "role",
        "spent",
        "spent_today",
        "stamp",
    )

    def __init__(
        self,
        recorded: Aggregates,
        batch: Mapping[str, Aggregate],
        stamp: Stamp,
        policy: Policy,
        *,
        expected_version: int | None = None,
        role: Role | None = None,
        spending: Spending | None = None,
    ) -> None:
        self._recorded = recorded
        self._batch = batch
        self._forks: dict[str, Aggregate] = {}
        self._expected_version = expected_version
        self.stamp = stamp
        self.policy = policy
        self.role = role
        self.spent: dict[str, Tally] = {}
        self.spent_today = NOTHING
        self._spending = spending or Spending()

    def new_id(self) -> str:
        """An id for something that comes into being now."""
        return new_id(self.stamp.at)

    def execution(self, id_: str) -> Execution:
        """An execution of the caller's workspace. Raises NotFound."""
        return self._existing(Execution, "execution", id_)

    def target(self, id_: str) -> Execution:
        """The execution the command is about, at the version the caller named, if any.

        Raises:
            NotFound: there is none in the caller's workspace.
            VersionMismatch: somebody else was faster.
        """
        execution = self.execution(id_)
        expected = self._expected_version
        if expected is not None and execution.version != expected:
            raise VersionMismatch(id_, expected, execution.version)
        return execution

    def at_work(self, id_: str, lease: str | None) -> Execution:
        """The target, for whoever works on it under this lease, or without one where there is none.

        Raises:
            NotFound: there is none in the caller's workspace.
            VersionMismatch: somebody else was faster.
            LeaseLost: the work is another's, or nobody's.
        """
        execution = self.target(id_)
        execution.check_lease(lease)
        return execution

    def agent(self, id_: str) -> Agent:
        """An agent of the caller's workspace. Raises NotFound."""
        return self._existing(Agent, "agent", id_)

    def api_key(self, id_: str) -> ApiKey:
        """An API key made in the caller's workspace. Raises NotFound."""
        return self._existing(ApiKey, "key", id_)

    def key_anywhere(self, id_: str) -> ApiKey | None:
        """An API key, in whichever workspace it was made; None when there is none."""
        return self._find(ApiKey, id_)

    def score_config(self, id_: str) -> ScoreConfig:
        """A score configuration of the caller's workspace. Raises NotFound."""
        config = self._existing(ScoreConfig, "score config", id_)
        if config.removed:
            raise NotFound("score config", id_)
        return config

    def model_prices(self, model: str) -> ModelPrices | None:
        """The workspace's own prices for a model; None when it never had one."""
        return self._find(ModelPrices, ModelPrices.id_of(self.stamp.workspace, model))

    def budget_tree(self, owner_id: str) -> BudgetTree:
        """Who spends from an execution's budget. Raises NotFound."""
        return self._existing(BudgetTree, "budget", BudgetTree.id_of(owner_id))

    def spend(self, owner_ids: Sequence[str], tally: Tally) -> None:
        """Count something against the budgets of executions."""
        for id_ in owner_ids:
            self._accepted(id_)  # before it is spent, so that it is not counted twice
            self.spent[id_] = self.spent.get(id_, Tally()).plus(tally)

    def standing_budgets(self) -> StandingBudgets | None:
        """What may be spent in a day in the workspace; None when it never had a budget."""
        return self._find(StandingBudgets, StandingBudgets.id_of(self.stamp.workspace))

    @property
    def has_spent(self) -> bool:
        """Whether anything was counted against any budget."""
        return bool(self.spent) or self.spent_today is not NOTHING

    def spend_today(self, purses: Sequence[Purse], tally: Tally) -> None:
        """Count something against the budgets of the day."""
        if self.spent_today is NOTHING:
            self.spent_today = SpentInDays()
        day = day_of(self.stamp.at)
        self.spent_today.all.append(SpentToday(self.stamp.workspace, day, purses, tally))

    def today(self, purse: Purse) -> Tally:
        """What somebody spent today, by this command too."""
        workspace, day = self._known_day()
        before = self._spending.in_day(workspace, day, purse)
        return before.plus(self.spent_today.by(workspace, day, purse))

    def spenders_today(self) -> Collection[Purse]:
        """Who spent today, before this command."""
        return self._spending.spenders(*self._known_day())

    def _known_day(self) -> tuple[str, str]:
        """The workspace and the day, whose sums are known from here on."""
        workspace, day = self.stamp.workspace, day_of(self.stamp.at)
        if not self._spending.has_day(workspace, day):
            self._spending.put_day(workspace, day, self._recorded.spent_on(workspace, day))
        return workspace, day

    def tally(self, owner_id: str) -> Tally:
        """What was spent from an execution's budget, by this command too."""
        return self._accepted(owner_id).plus(self.spent.get(owner_id, Tally()))

    def _accepted(self, owner_id: str) -> Tally:
        """What was spent by the commands before this one."""
        known = self._spending.tree(owner_id)
        if known is None:
            known = Tally()
            for id_ in self.budget_tree(owner_id).members:
                known = known.plus(self._recorded_tally(id_))
            self._spending.put_tree(owner_id, known)
        return known

    def _recorded_tally(self, id_: str) -> Tally:
        execution = self._batch.get(id_) or self._recorded.get(id_)
        if not isinstance(execution, Execution):  # it comes into being with this very command
            return Tally()
        totals = execution.totals
        tokens, calls = (
            totals.token_usage.total_tokens,
            self._recorded.count(id_, ToolStarted.TOPIC),
        )
        return Tally(totals.cost_usd or Decimal(0), tokens, totals.unpriced_tokens, calls)

    def agent_name(self, name: str) -> AgentName | None:
        """The claim on an agent's name; None when nobody ever took it."""
        return self._find(AgentName, AgentName.id_of(self.stamp.workspace, name))

    def idempotency_key(self, key: str) -> IdempotencyKey | None:
        """What was answered to the first request with this key."""
        return self._find(IdempotencyKey, IdempotencyKey.id_of(self.stamp.workspace, key))

    def add(self, aggregate: A) -> A:
        """Take in an aggregate that the command made."""
        self._forks[aggregate.id] = aggregate
        return aggregate

    def forks(self) -> Mapping[str, Aggregate]:
        """What the command touched, as it would be."""
        return self._forks

    def collect(self, mapper: LedgerMapper) -> list[Storable]:
        """What is to be recorded, in stored form; empties what was pending."""
        events: list[Storable] = []
        for fork in self._forks.values():
            if pending := fork.pending_events:
                events += map(mapper.storable, pending)
                pending.clear()
        return events

    def _existing(self, kind: type[A], word: str, id_: str) -> A:
        found = self._find(kind, id_)
        if found is None or found.workspace != self.stamp.workspace:
            raise NotFound(word, id_)
        return found

    def _find(self, kind: type[A], id_: str) -> A | None:
        fork = self._forks.get(id_)
        if fork is None:
            recorded = self._batch.get(id_) or self._recorded.get(id_)
            if not isinstance(recorded, kind):
                return None
            fork = self._forks[id_] = fork_of(recorded)
        return fork if isinstance(fork, kind) else None
