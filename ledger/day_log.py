"""What a workspace spent in a day, worked out from the log."""

from collections.abc import Iterator
from typing import Final

from ledger.events import UsageRecorded
from ledger.mapper import Recorded
from ledger.run_budget import Tally
from ledger.spent import spenders, tally_of
from ledger.standing_budgets import Purse
from ledger.store import Store

_PAGE: Final = 5_000


def spent_on(store: Store, workspace: str, day: str, until: int) -> dict[Purse, Tally]:
    """The sums of a day so far, by who spent.

    Args:
        store: whose events are read from the day's first on.
        workspace: whose.
        day: YYYY-MM-DD, UTC; the last one of the log, for what comes later is added too.
        until: the position of the last event that counts.
    """
    sums: dict[Purse, Tally] = {}
    for page in _pages(store, _last_before(store, day, until), until):
        calls = [event for event in page if event.topic == UsageRecorded.TOPIC]
        own = [event for event in calls if event.envelope["workspace"] == workspace]
        by = spenders(store, {event.id for event in own})
        for event in own:
            tally = tally_of(event)
            for purse in by[event.id].purses:
                sums[purse] = sums.get(purse, Tally()).plus(tally)
    return sums


def _last_before(store: Store, day: str, until: int) -> int:
    """The position of the last event before a day; recorded times never go back."""
    low, high = 0, until
    while low < high:
        middle = (low + high + 1) // 2
        (event,) = store.read_log(middle - 1, 1)
        low, high = (middle, high) if event.at < day else (low, middle - 1)
    return low


def _pages(store: Store, after: int, until: int) -> Iterator[list[Recorded]]:
    while after < until:
        page = store.read_log(after, min(_PAGE, until - after))
        yield page
        after = page[-1].position
