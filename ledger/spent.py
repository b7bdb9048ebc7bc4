"""What stored events spent, and from whose budgets: read from the log, without the aggregates."""

from collections.abc import Collection, Mapping
from decimal import Decimal, localcontext
from typing import Final, NamedTuple

from ledger.events import ToolStarted, UsageRecorded, UsageRepriced
from ledger.exact import EXACT
from ledger.mapper import Recorded
from ledger.run_budget import Tally
from ledger.standing_budgets import Purse, purses_of
from ledger.store import Store

SPENDING: Final = frozenset({UsageRecorded.TOPIC, UsageRepriced.TOPIC, ToolStarted.TOPIC})
"""The topics of events that spend from a budget."""


class Spender(NamedTuple):
    """Whose spending an execution's is: the sums of the day, and executions with a budget."""

    purses: tuple[Purse, ...]
    owners: tuple[str, ...]


def spenders(store: Store, ids: Collection[str]) -> Mapping[str, Spender]:
    """As whom executions spend: that stands in their first events."""
    created = {event.id: event.facts for event in store.read_first(sorted(ids))}
    return {
        id_: Spender(purses_of(said["agent_id"], said["user_id"]), _owners(said))
        for id_, said in created.items()
    }


def _owners(created: Mapping[str, list[str] | None]) -> tuple[str, ...]:
    return tuple(created.get("budget_owners") or ())


def tally_of(event: Recorded) -> Tally:
    """What an event spent; a price that is set anew takes the place of the one before."""
    if event.topic == ToolStarted.TOPIC:
        return Tally(tool_calls=1)
    facts = event.facts
    cost, tokens = facts.get("cost_usd"), facts.get("total_tokens", 0)
    if event.topic == UsageRecorded.TOPIC:
        return Tally(Decimal(cost or 0), tokens, tokens if cost is None else 0)
    before = facts.get("previous_cost_usd")
    with localcontext(EXACT):
        more = Decimal(cost or 0) - Decimal(before or 0)
    return Tally(more, unpriced=-tokens if before is None else 0)
