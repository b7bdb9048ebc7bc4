"""What a command is, and what it comes to."""

from typing import NamedTuple, Protocol

from ledger.unit import Aggregate, Unit


class Decision(NamedTuple):
    """What a command came to: the aggregate it was about, and what it made beside it."""

    aggregate: Aggregate
    subject: str | None = None


class Command(Protocol):
    """Something a caller asks for."""

    def decide(self, unit: Unit) -> Decision:
        """Change the unit's aggregates, or raise a LedgerError; nothing else has an effect."""
