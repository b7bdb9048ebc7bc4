"""Which executions spend from a run budget: the one that has it, and all below it."""

from decimal import Decimal, localcontext
from typing import Any, ClassVar, Self

from eventsourcing.domain import BaseAggregate

from ledger.event import Event, FirstEvent, Stamp, envelope_of
from ledger.exact import EXACT


class TreeBegun(FirstEvent):
    """An execution with a run budget was created."""

    TOPIC: ClassVar[str] = "budget_tree.begun.v1"

    execution_id: str


class TreeJoined(Event):
    """An execution was created below it, and spends from the same budget."""

    TOPIC: ClassVar[str] = "budget_tree.joined.v1"

    execution_id: str


class RaiseAsked(Event):
    """A human was asked to raise the budget; not again before they say yes."""

    TOPIC: ClassVar[str] = "budget_tree.raise_asked.v1"

    approval_id: str


class BudgetRaised(Event):
    """A human said yes: so many dollars more, for the limit and for when to ask again."""

    TOPIC: ClassVar[str] = "budget_tree.raised.v1"

    approval_id: str
    by: Decimal


class BudgetTree(BaseAggregate[str]):
    """The members of a tree, the owner of the budget first."""

    TOPIC = "budget_tree"

    def __init__(self) -> None:
        self.workspace = ""
        self.members: tuple[str, ...] = ()
        self.asked = False
        self.raised_by = Decimal(0)

    @staticmethod
    def id_of(owner_id: str) -> str:
        """The id of the tree below an execution with a budget."""
        return f"budget_tree:{owner_id}"

    @classmethod
    def begin(cls, stamp: Stamp, owner_id: str) -> Self:
        """Note an execution with a budget."""
        return cls._create(
            TreeBegun,
            id=cls.id_of(owner_id),
            timestamp=stamp.at,
            envelope=envelope_of(stamp),
            execution_id=owner_id,
        )

    def join(self, stamp: Stamp, execution_id: str) -> None:
        """Note an execution below it."""
        self._record(stamp, TreeJoined, execution_id=execution_id)

    def ask(self, stamp: Stamp, approval_id: str) -> None:
        """Note that a human was asked for more money."""
        self._record(stamp, RaiseAsked, approval_id=approval_id)

    def raise_(self, stamp: Stamp, approval_id: str, by: Decimal) -> None:
        """Add the money that a human granted."""
        self._record(stamp, BudgetRaised, approval_id=approval_id, by=by)

    def _record(self, stamp: Stamp, event: type[Event], **facts: Any) -> None:
        self.trigger_event(event, timestamp=stamp.at, envelope=envelope_of(stamp), **facts)

    def evolve(self, event: Event) -> None:
        """Follow a recorded fact."""
        match event:
            case TreeBegun():
                self.workspace = event.envelope.stamp.workspace
                self.members = (event.execution_id,)
            case TreeJoined():
                self.members += (event.execution_id,)
            case RaiseAsked():
                self.asked = True
            case BudgetRaised():
                self.asked = False
                with localcontext(EXACT):
                    self.raised_by += event.by
            case _:
                pass
