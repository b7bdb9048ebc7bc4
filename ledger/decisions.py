"""What a batch of orders comes to, decided one after the other on what is recorded.

Each sees what the ones before it changed. A refusal fails its own command alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import structlog

from ledger.aggregates import Aggregate, fork_of
from ledger.claims import IdempotencyKey, KeyUsed
from ledger.clock import format_time
from ledger.commands import Append
from ledger.errors import KeyReused, LedgerError
from ledger.event import Stamp, Storable, encode_events
from ledger.events import EncodedFrame
from ledger.execution import Execution
from ledger.mapper import LedgerMapper, Recorded
from ledger.memory import Memory
from ledger.orders import Answer, Order, Receipt, Reply
from ledger.standing_budgets import StandingBudgets
from ledger.unit import Policy, Unit

log = structlog.get_logger()


class _Accepted(NamedTuple):
    reply: Reply
    id: str
    version: int
    subject: str | None
    budget: Mapping[str, Any] | None
    events: Sequence[Storable]
    repeated: bool = False


class Decisions:
    """Decided when it is made; nothing of it is recorded yet."""

    def __init__(
        self,
        orders: Sequence[Order],
        memory: Memory,
        mapper: LedgerMapper,
        policy: Policy,
        at: datetime,
    ) -> None:
        self._memory = memory
        self._mapper = mapper
        self._policy = policy
        self._at = at
        self.changed: dict[str, Aggregate] = {}
        self._accepted: list[_Accepted] = []
        self._refused: list[Answer] = []
        memory.begin()
        for order in orders:
            try:
                self._accepted.append(self._append(order) or self._decide(order))
            except Exception as error:  # a fault of ours in one command must not stop the others
                if not isinstance(error, LedgerError):
                    log.exception("command failed", command=type(order.command).__name__)
                self._refused.append((order.reply, error))
        self.events = [event for each in self._accepted for event in each.events]

    def precede(self, recorded: Recorded) -> bool:
        """Whether they were made before something was recorded that stands before them now."""
        return format_time(self._at) < recorded.at

    def answers(self, recorded: Sequence[Recorded]) -> list[Answer]:
        """What everybody is told once the events are recorded."""
        return [*self._refused, *self._receipts(recorded)]

    def _receipts(self, recorded: Sequence[Recorded]) -> Iterator[Answer]:
        start = 0
        for reply, id_, version, subject, budget, events, repeated in self._accepted:
            own = recorded[start : start + len(events)]
            start += len(events)
            position = own[-1].position if own else 0
            yield reply, Receipt(id_, version, subject, position, repeated, own, budget)

    def _append(self, order: Order) -> _Accepted | None:
        """Decide in a short way on what is asked for most: frames, where nothing limits them.

        None where there is more to consider, or something to refuse. What is accepted here is what
        a unit would accept, at two thirds of the cost.
        """
        command, caller = order.command, order.caller
        if type(command) is not Append or caller.key or caller.expected_version is not None:
            return None
        id_ = command.execution_id
        execution = self.changed.get(id_) or self._memory.aggregates.get(id_)
        if (
            not isinstance(execution, Execution)
            or (execution.workspace, execution.lease) != (caller.workspace, command.lease)
            or execution.budget_owners
            or self._has_budgets(caller.workspace)
        ):
            return None
        frames = [step for step in command.steps if isinstance(step, EncodedFrame)]
        if len(frames) < len(command.steps) or not all(
            execution.takes(each.event) for each in frames
        ):
            return None
        stamp = Stamp(caller.workspace, caller.actor, self._at, caller.request)
        events = encode_events(id_, execution.version, stamp, execution.trace_id, frames)
        self.changed[id_] = fork = fork_of(execution)
        fork.version += len(events)
        return _Accepted(order.reply, id_, fork.version, None, None, events)

    def _has_budgets(self, workspace: str) -> bool:
        """Whether anybody ever set a budget of the day in a workspace."""
        id_ = StandingBudgets.id_of(workspace)
        return id_ in self.changed or self._memory.aggregates.get(id_) is not None

    def _decide(self, order: Order) -> _Accepted:
        caller = order.caller
        stamp = Stamp(caller.workspace, caller.actor, self._at, caller.request)
        unit = Unit(
            self._memory.aggregates,
            self.changed,
            stamp,
            self._policy,
            expected_version=caller.expected_version,
            role=caller.role,
            spending=self._memory.spending,
        )
        used = None if caller.key is None else _used_before(unit, caller.key, caller.digest)
        if used is not None:
            return _Accepted(
                order.reply, used.aggregate_id, used.version, used.subject, None, (), repeated=True
            )
        aggregate, subject, budget = order.command.decide(unit)
        id_, version = aggregate.id, aggregate.version
        if caller.key is not None:
            facts = {"aggregate_id": id_, "version": version, "subject": subject}
            unit.add(IdempotencyKey.use(stamp, caller.key, digest=caller.digest, **facts))
        events = unit.collect(self._mapper)
        self.changed.update(unit.forks())
        if unit.has_spent:
            self._memory.spending.add(unit.spent, unit.spent_today)
        return _Accepted(order.reply, id_, version, subject, budget, events)


def _used_before(unit: Unit, key: str, digest: str) -> KeyUsed | None:
    """What was answered to the first request with a key; None when this is the first.

    Raises:
        KeyReused: that request said something else.
    """
    known = unit.idempotency_key(key)
    if known is None or known.used is None:
        return None
    if known.used.digest != digest:
        raise KeyReused(key)
    return known.used
