"""What a model call adds to totals, each in a row of its own.

So a cost that is corrected later can be found again, and its difference be added to every total.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from functools import lru_cache
from operator import add, sub
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, case, func, select

from ledger import events as e
from ledger.mapper import Recorded
from projections.amounts import Amount
from projections.cost_tables import HOUR, HOURS, NO_MODEL, OF_CALLS, TOKENS, calls
from projections.labels import searchable
from projections.projection import Identity, Page
from projections.times import micros_of

Row = dict[str, Any]
Key = tuple[str, int]
Sums = tuple[int, ...]
Place = tuple[int, str, str]
"""Of what was spent within an execution: day, model, provider."""


def row_of(event: Recorded, identity: Identity) -> Row:
    """The row of a call, from the event that reported it."""
    facts = event.facts
    return {
        "execution_id": event.id,
        "sequence": event.version,
        "workspace": identity.workspace,
        "hour": _micros_of(facts.get("occurred_at") or event.at) // HOUR,
        "model": searchable(facts["model"]),
        "provider": searchable(facts.get("provider") or NO_MODEL),
        **{name: facts.get(name) or 0 for name in TOKENS},
        **Amount.of(facts.get("cost_usd")).columns,
    }


_micros_of = lru_cache(maxsize=1_024)(micros_of)  # what was recorded at once has one time


class Called(NamedTuple):
    """What a page says of calls.

    Attributes:
        rows: of calls that are new, or have another cost.
        sums: what that adds up to, by execution and place; of a new cost, the difference.
    """

    rows: Sequence[Row]
    sums: Mapping[str, Mapping[Place, Sums]]


def called(connection: Connection, page: Page) -> Called:
    """Fold what was called, and what was priced anew; in the order of the events."""
    rows: dict[Key, Row] = {}
    repriced = {_repriced(event) for event in page.events if event.topic == e.UsageRepriced.TOPIC}
    before = _stored(connection, repriced)
    for event in page.events:
        if event.topic == e.UsageRecorded.TOPIC:
            rows[event.id, event.version] = row_of(event, page.identities[event.id])
        elif event.topic == e.UsageRepriced.TOPIC:
            key = _repriced(event)
            call = rows.get(key) or before[key]
            rows[key] = call | Amount.of(event.facts["cost_usd"]).columns
    return Called([*rows.values()], by_place(rows.values(), before.values()))


def by_place(now: Iterable[Row], before: Iterable[Row] = ()) -> Mapping[str, Mapping[Place, Sums]]:
    """What calls add up to, less what they did before, by execution and place."""
    found: dict[str, dict[Place, Sums]] = defaultdict(dict)
    for calls_, operate in ((now, add), (before, sub)):
        for call in calls_:
            sums, place = found[call["execution_id"]], place_of(call)
            sums[place] = tuple(map(operate, sums.get(place, _NOTHING), sums_of(call)))
    return found


def _repriced(event: Recorded) -> Key:
    return event.id, event.facts["sequence"]


def _stored(connection: Connection, keys: Set[Key]) -> Mapping[Key, Row]:
    """Calls of earlier pages."""
    if not keys:
        return {}
    wanted = select(calls).where(
        calls.c.execution_id.in_({id_ for id_, _ in keys}),
        calls.c.sequence.in_({sequence for _, sequence in keys}),
    )
    rows = map(dict, connection.execute(wanted).mappings())
    found = {(row["execution_id"], row["sequence"]): row for row in rows}
    return {key: row for key, row in found.items() if key in keys}


def place_of(call: Row) -> Place:
    """Where a call stands within its execution."""
    return call["hour"] // HOURS, call["model"], call["provider"]


def sums_of(call: Row) -> Sums:
    """What a call adds to totals, in the order of `OF_CALLS`."""
    tokens = tuple(call[name] for name in TOKENS)
    nano, rest = call["cost_nano"], call["cost_rest"]
    if nano is None:
        return (1, 0, *tokens, call["total_tokens"], 0, 0)
    return (1, 1, *tokens, 0, nano, rest)


_NOTHING: Final = (0,) * len(OF_CALLS)

SUMS: Final = {
    "calls": func.count(),
    "priced_calls": func.count(calls.c.cost_nano),
    **{name: func.sum(calls.c[name]) for name in TOKENS},
    "unpriced_tokens": func.sum(case((calls.c.cost_nano.is_(None), calls.c.total_tokens), else_=0)),
    "cost_nano": func.coalesce(func.sum(calls.c.cost_nano), 0),
    "cost_rest": func.coalesce(func.sum(calls.c.cost_rest), 0),
}
"""The same in SQL, for many calls."""


def load(connection: Connection, ids: Sequence[str]) -> Mapping[str, Mapping[Place, Sums]]:
    """What executions called in earlier pages, added up by place."""
    found: dict[str, dict[Place, Sums]] = defaultdict(dict)
    if ids:
        day = (calls.c.hour // HOURS).label("day")
        key = (calls.c.execution_id, day, calls.c.model, calls.c.provider)
        sums = [SUMS[name] for name in OF_CALLS]
        wanted = select(*key, *sums).where(calls.c.execution_id.in_(ids)).group_by(*key)
        for id_, day, model, provider, *values in connection.execute(wanted):
            found[id_][day, model, provider] = tuple(map(int, values))
    return found
