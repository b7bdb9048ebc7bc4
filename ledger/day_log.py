"""What a workspace spent in a day, worked out from the log."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from ledger.events import UsageRecorded
from ledger.mapper import Recorded
from ledger.run_budget import Tally
from ledger.standing_budgets import Purse, purses_of
from ledger.store import Store

_PAGE: Final = 5_000


def spent_on(store: Store, workspace: str, day: str) -> dict[Purse, Tally]:
    """The sums of a day so far, by who spent.

    Args:
        store: whose events are read from the day's first on.
        workspace: whose.
        day: YYYY-MM-DD, UTC; the last one of the log, for what comes later is added too.
    """
    sums: dict[Purse, Tally] = {}
    for page in _pages(store, _last_before(store, day)):
        calls = [event for event in page if event.topic == UsageRecorded.TOPIC]
        own = [event for event in calls if event.envelope["workspace"] == workspace]
        purses = _purses(store, own)
        for event in own:
            tally = _tally_of(event)
            for purse in purses[event.id]:
                sums[purse] = sums.get(purse, Tally()).plus(tally)
    return sums


def _last_before(store: Store, day: str) -> int:
    """The position of the last event before a day; recorded times never go back."""
    low, high = 0, store.last_position()
    while low < high:
        middle = (low + high + 1) // 2
        (event,) = store.read_log(middle - 1, 1)
        low, high = (middle, high) if event.at < day else (low, middle - 1)
    return low


def _pages(store: Store, after: int) -> Iterator[list[Recorded]]:
    while page := store.read_log(after, _PAGE):
        yield page
        after = page[-1].position


def _purses(store: Store, calls: list[Recorded]) -> Mapping[str, tuple[Purse, ...]]:
    created = store.read_first(sorted({event.id for event in calls}))
    facts = {event.id: event.facts for event in created}
    return {id_: purses_of(said["agent_id"], said["user_id"]) for id_, said in facts.items()}


def _tally_of(event: Recorded) -> Tally:
    facts = event.facts
    cost, tokens = facts.get("cost_usd"), facts.get("total_tokens", 0)
    return Tally(Decimal(cost or 0), tokens, tokens if cost is None else 0)
