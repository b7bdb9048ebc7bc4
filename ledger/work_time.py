"""How long an execution was worked on; what a human took to answer is no work."""

from datetime import datetime, timedelta
from typing import NamedTuple, Self

from ledger.status import Status
from ledger.transition import Transition


class WorkTime(NamedTuple):
    """The work so far: what is over, in microseconds, and since when it is going on, if it is."""

    over_us: int = 0
    since: datetime | None = None

    def moved(self, event: Transition) -> Self:
        """The same after a change of status."""
        over_us = self.over_us
        if self.since is not None:
            over_us += (event.timestamp - self.since) // timedelta(microseconds=1)
        is_working = event.status is Status.RUNNING
        return self._replace(over_us=over_us, since=event.timestamp if is_working else None)

    def deadline(self, at: datetime, most_seconds: float) -> datetime:
        """When work that goes on at a time must be done, if it may take so long in all."""
        left = timedelta(seconds=most_seconds) - timedelta(microseconds=self.over_us)
        return at + max(timedelta(), left)


def milliseconds(began: datetime | None, ended: datetime) -> int | None:
    """From a beginning to an end, at least 0; None when nothing ever began."""
    return None if began is None else max(0, (ended - began) // timedelta(milliseconds=1))
