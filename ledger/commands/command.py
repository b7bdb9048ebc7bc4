"""What a command is, and what it comes to."""

from typing import Any, NamedTuple, Protocol

from ledger.aggregates import Aggregate
from ledger.unit import Unit


class Decision(NamedTuple):
    """What a command came to.

    Attributes:
        aggregate: that it was about.
        subject: the id of what it made beside it.
        budget: how the budgets stand that it spent from.
    """

    aggregate: Aggregate
    subject: str | None = None
    budget: dict[str, Any] | None = None


class Command(Protocol):
    """Something a caller asks for."""

    def decide(self, unit: Unit) -> Decision:
        """Change the unit's aggregates, or raise a LedgerError; nothing else has an effect."""
