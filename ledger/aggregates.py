"""Every kind of aggregate there is, as recorded: a bounded cache in front of the store."""

from collections import OrderedDict
from typing import Final, TypeVar

from ledger.access import ApiKey
from ledger.agent import Agent
from ledger.budget_tree import BudgetTree
from ledger.claims import AgentName, IdempotencyKey
from ledger.day_log import spent_on
from ledger.events import FRAME_TOPICS
from ledger.execution import Execution
from ledger.mapper import LedgerMapper, Recorded
from ledger.model_prices import ModelPrices
from ledger.run_budget import Tally
from ledger.score_config import ScoreConfig
from ledger.standing_budgets import Purse, StandingBudgets
from ledger.store import Store

Aggregate = (
    Execution
    | Agent
    | AgentName
    | IdempotencyKey
    | ApiKey
    | ScoreConfig
    | ModelPrices
    | BudgetTree
    | StandingBudgets
)
A = TypeVar(
    "A",
    Execution,
    Agent,
    AgentName,
    IdempotencyKey,
    ApiKey,
    ScoreConfig,
    ModelPrices,
    BudgetTree,
    StandingBudgets,
)

_MOST_CACHED: Final = 20_000


def fork_of(aggregate: A) -> A:
    """A copy that may go its own way: state is replaced, never mutated, so one level is enough."""
    twin: A = object.__new__(type(aggregate))
    twin.__dict__ = aggregate.__dict__ | {"_pending_events": []}  # the library offers no setter
    return twin


class Aggregates:
    """Aggregates as recorded: a bounded cache in front of the store.

    All are as of one position, also those that are loaded while others record more. Only the
    writer's thread comes here, and what a unit changes is a fork; so they may be changed in place.
    """

    def __init__(self, store: Store, mapper: LedgerMapper, position: int) -> None:
        self._store = store
        self._mapper = mapper
        self._cached: OrderedDict[str, Aggregate] = OrderedDict()
        self._absent: set[str] = set()  # asked for and not there
        self.position = position
        """Of the last event that they contain."""
        self.asked: set[str] = set()
        """What the batch at hand depends on, be it there or not."""

    def get(self, id_: str) -> Aggregate | None:
        """The aggregate of this id, without decoding the frames it does not need."""
        self.asked.add(id_)
        cached = self._cached.get(id_)
        if cached is not None:
            self._cached.move_to_end(id_)
            return cached
        if id_ in self._absent:
            return None
        loaded = self._load(id_)
        if loaded is not None:
            self.put(loaded)
        else:
            self._lacks(id_)
        return loaded

    def put(self, aggregate: Aggregate) -> None:
        """Remember an aggregate at the version that is recorded now."""
        id_ = aggregate.id
        self._cached[id_] = aggregate  # at its end already: it is new, or was asked for just now
        self._absent.discard(id_)
        if len(self._cached) > _MOST_CACHED:
            self._cached.popitem(last=False)

    def follow(self, event: Recorded) -> bool:
        """Take in the next event of the log; whether the batch depends on its aggregate."""
        self.position = event.position
        self._absent.discard(event.id)
        cached = self._cached.get(event.id)
        if cached is not None:
            self._evolve(cached, event)
        return event.id in self.asked

    def spent_on(self, workspace: str, day: str) -> dict[Purse, Tally]:
        """What a workspace spent in a day, by the log."""
        return spent_on(self._store, workspace, day, self.position)

    def count(self, id_: str, topic: str) -> int:
        """How many events of a topic an aggregate has."""
        return self._store.count(id_, topic, self.position)

    def _lacks(self, id_: str) -> None:
        if len(self._absent) >= _MOST_CACHED:
            self._absent.clear()
        self._absent.add(id_)

    def _evolve(self, cached: Aggregate, event: Recorded) -> None:
        try:
            if event.topic not in FRAME_TOPICS:
                cached.evolve(self._mapper.read(event))
            cached.version = event.version
        except Exception:  # as a newer server may write; whoever needs the aggregate is told
            del self._cached[event.id]

    def _load(self, id_: str) -> Aggregate | None:
        facts = [each for each in self._store.read_facts(id_) if each.position <= self.position]
        if not facts:
            return None
        first, *rest = map(self._mapper.read, facts)
        aggregate: Aggregate | None = first.mutate(None)
        assert aggregate is not None
        for event in rest:
            aggregate.evolve(event)
        aggregate.version = self._store.last_version(id_, self.position)
        return aggregate
