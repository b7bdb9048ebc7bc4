"""What facts that change the status have in common."""

from datetime import datetime

from ledger.event import Event
from ledger.status import Status
from ledger.usage import Totals


class Transition(Event):
    """A fact that moves the execution to another status."""

    status: Status
    previous: Status
    occurred_at: datetime | None = None


class Ended(Transition):
    """A fact after which nothing follows.

    What the execution spent and how long it took are part of it, so that the frame which ends a
    stream needs no other event.
    """

    totals: Totals
    duration_ms: int | None = None
