"""One command's view of the aggregates: forks of what is recorded, and what they want to record.

Everything here runs on the writer's thread. A unit that is refused is dropped and leaves no trace;
the forks of one that is accepted become what the next unit of the same batch sees.
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple, TypeVar

from ledger.access import ApiKey
from ledger.agent import Agent
from ledger.claims import AgentName, IdempotencyKey
from ledger.errors import NotFound, VersionMismatch
from ledger.event import Stamp, Storable
from ledger.execution import Execution
from ledger.ids import new_id
from ledger.mapper import LedgerMapper
from ledger.role import Role
from ledger.score_config import ScoreConfig
from ledger.store import Store
from ledger.usage import Price

Aggregate = Execution | Agent | AgentName | IdempotencyKey | ApiKey | ScoreConfig
A = TypeVar("A", Execution, Agent, AgentName, IdempotencyKey, ApiKey, ScoreConfig)

_MOST_CACHED = 20_000


class Policy(NamedTuple):
    """What decisions depend on beside the aggregates.

    Attributes:
        prices: by model name, US dollars per million tokens.
        approval_ttl: how long an approval waits when its request does not say; None is for ever.
    """

    prices: Mapping[str, Price] = {}
    approval_ttl: timedelta | None = None


class Aggregates:
    """Aggregates as recorded: a bounded cache in front of the store."""

    def __init__(self, store: Store, mapper: LedgerMapper) -> None:
        self._store = store
        self._mapper = mapper
        self._cached: OrderedDict[str, Aggregate] = OrderedDict()

    def get(self, id_: str) -> Aggregate | None:
        """The aggregate of this id, without decoding the frames it does not need."""
        cached = self._cached.get(id_)
        if cached is not None:
            self._cached.move_to_end(id_)
            return cached
        loaded = self._load(id_)
        if loaded is not None:
            self.put(loaded)
        return loaded

    def put(self, aggregate: Aggregate) -> None:
        """Remember an aggregate at the version that is recorded now."""
        self._cached[aggregate.id] = aggregate
        self._cached.move_to_end(aggregate.id)
        if len(self._cached) > _MOST_CACHED:
            self._cached.popitem(last=False)

    def forget(self, id_: str) -> None:
        """Load the aggregate afresh next time."""
        self._cached.pop(id_, None)

    def _load(self, id_: str) -> Aggregate | None:
        facts = self._store.read_facts(id_)
        if not facts:
            return None
        first, *rest = map(self._mapper.read, facts)
        aggregate: Aggregate | None = first.mutate(None)
        assert aggregate is not None
        for event in rest:
            aggregate.evolve(event)
        aggregate.version = self._store.last_version(id_)
        return aggregate


class Unit:
    """The aggregates a command reads and changes, and who is asking."""

    def __init__(
        self,
        recorded: Aggregates,
        batch: Mapping[str, Aggregate],
        stamp: Stamp,
        policy: Policy,
        *,
        expected_version: int | None = None,
        role: Role | None = None,
    ) -> None:
        self._recorded = recorded
        self._batch = batch
        self._forks: dict[str, Aggregate] = {}
        self._expected_version = expected_version
        self.stamp = stamp
        self.policy = policy
        self.role = role

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

    def score_config(self, id_: str) -> ScoreConfig:
        """A score configuration of the caller's workspace. Raises NotFound."""
        config = self._existing(ScoreConfig, "score config", id_)
        if config.removed:
            raise NotFound("score config", id_)
        return config

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
            events.extend(map(mapper.storable, fork.pending_events))
            fork.pending_events.clear()
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
            fork = self._forks[id_] = _fork(recorded)
        return fork if isinstance(fork, kind) else None


def _fork(aggregate: A) -> A:
    """A copy that may go its own way: state is replaced, never mutated, so one level is enough."""
    twin: A = object.__new__(type(aggregate))
    twin.__dict__.update(aggregate.__dict__)
    twin._pending_events = []  # noqa: SLF001 - the library offers no setter
    return twin
