"""Which executions spend from a run budget: the one that has it, and all below it."""

from typing import ClassVar, Self

from eventsourcing.domain import BaseAggregate

from ledger.event import Event, FirstEvent, Stamp, envelope_of


class TreeBegun(FirstEvent):
    """An execution with a run budget was created."""

    TOPIC: ClassVar[str] = "budget_tree.begun.v1"

    execution_id: str


class TreeJoined(Event):
    """An execution was created below it, and spends from the same budget."""

    TOPIC: ClassVar[str] = "budget_tree.joined.v1"

    execution_id: str


class BudgetTree(BaseAggregate[str]):
    """The members of a tree, the owner of the budget first."""

    TOPIC = "budget_tree"

    def __init__(self) -> None:
        self.workspace = ""
        self.members: tuple[str, ...] = ()

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
        self.trigger_event(
            TreeJoined, timestamp=stamp.at, envelope=envelope_of(stamp), execution_id=execution_id
        )

    def evolve(self, event: Event) -> None:
        """Follow a recorded fact."""
        match event:
            case TreeBegun():
                self.workspace = event.envelope.stamp.workspace
                self.members = (event.execution_id,)
            case TreeJoined():
                self.members += (event.execution_id,)
            case _:
                pass
