"""What the writer remembers of the log, so that it need not ask; and how that keeps up with it.

All of it is as of one position. What this process records is kept; what others record is taken in,
in order, and then it may turn out that a batch was decided on what is no longer so.
"""

from collections.abc import Iterable, Sequence

import structlog

from ledger.aggregates import Aggregate, Aggregates
from ledger.events import UsageRecorded
from ledger.mapper import LedgerMapper, Recorded
from ledger.spending import Spending, SpentToday
from ledger.spent import SPENDING, Spender, spenders, tally_of
from ledger.store import Store

log = structlog.get_logger()


class Memory:
    """The aggregates and the sums that decisions depend on; for the writer's thread."""

    def __init__(self, store: Store, mapper: LedgerMapper, position: int) -> None:
        """`position` is that of the last event that there is."""
        self._store = store
        self.aggregates = Aggregates(store, mapper, position)
        self.spending = Spending()
        self.outdated = False
        """Whether something has changed that the batch at hand depends on."""

    @property
    def position(self) -> int:
        """Of the last event that was kept or taken in."""
        return self.aggregates.position

    def begin(self) -> None:
        """Begin a batch; whatever the one before came to is as if it had not been."""
        self.aggregates.asked = set()
        self.spending.begin()
        self.outdated = False

    def keep(self, changed: Iterable[Aggregate], position: int) -> None:
        """The batch is recorded, up to a position."""
        for aggregate in changed:
            self.aggregates.put(aggregate)
        self.spending.keep()
        self.aggregates.position = position

    def take_in(self, news: Sequence[Recorded]) -> None:
        """Follow what others recorded after the position, in order."""
        for event in news:
            if self.aggregates.follow(event):
                self.outdated = True
        spent = [event for event in news if event.topic in SPENDING]
        if spent and self.spending.keeps_any:
            self._count(spent)

    def _count(self, spent: Sequence[Recorded]) -> None:
        try:
            by = spenders(self._store, {event.id for event in spent})
            for event in spent:
                if self._adds(event, by[event.id]):
                    self.outdated = True
        except Exception:  # damaged, or the database is away; the log alone is true
            log.exception("sums are worked out again")
            self.spending.forget()
            self.outdated = True

    def _adds(self, event: Recorded, spender: Spender) -> bool:
        tally = tally_of(event)
        is_asked = self.spending.recorded(spender.owners, tally)
        if event.topic != UsageRecorded.TOPIC:
            return is_asked
        workspace = event.envelope["workspace"]
        today = SpentToday(workspace, event.at[:10], spender.purses, tally)
        return self.spending.recorded_in_day(today) or is_asked
