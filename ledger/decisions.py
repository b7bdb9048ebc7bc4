"""What a batch of orders comes to, decided one after the other on what is recorded.

Each sees what the ones before it changed. A refusal fails its own command alone.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import structlog

from ledger.aggregates import Aggregate
from ledger.claims import IdempotencyKey
from ledger.clock import format_time
from ledger.errors import KeyReused, LedgerError
from ledger.event import Stamp, Storable
from ledger.mapper import LedgerMapper, Recorded
from ledger.memory import Memory
from ledger.orders import Answer, Caller, Order, Receipt
from ledger.unit import Policy, Unit

log = structlog.get_logger()


class _Accepted(NamedTuple):
    order: Order
    receipt: Receipt
    events: list[Storable]


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
                self._accepted.append(self._decide(order))
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
        for order, receipt, events in self._accepted:
            own = recorded[start : start + len(events)]
            start += len(events)
            position = own[-1].position if own else 0
            yield order.reply, receipt._replace(position=position, events=own)

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
        answered = _answered_before(unit, caller)
        if answered is not None:
            return _Accepted(order, answered, [])
        aggregate, subject, budget = order.command.decide(unit)
        receipt = Receipt(aggregate.id, aggregate.version, subject, budget=budget)
        if caller.key is not None:
            used = {"aggregate_id": receipt.id, "version": receipt.version, "subject": subject}
            unit.add(IdempotencyKey.use(stamp, caller.key, digest=caller.digest, **used))
        events = unit.collect(self._mapper)
        self.changed.update(unit.forks())
        self._memory.spending.add(unit.spent, unit.spent_today)
        return _Accepted(order, receipt, events)


def _answered_before(unit: Unit, caller: Caller) -> Receipt | None:
    key = None if caller.key is None else unit.idempotency_key(caller.key)
    if key is None or key.used is None:
        return None
    if key.used.digest != caller.digest:
        raise KeyReused(key.used.key)
    return Receipt(key.used.aggregate_id, key.used.version, key.used.subject, repeated=True)
