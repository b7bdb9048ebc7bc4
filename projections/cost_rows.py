"""The fold of costs: each model call, and totals by day in every cut.

What a call cost stands on the day of the call, in UTC; how many executions there were, how many
failed and how long they took on the day of their creation. An execution whose status or metadata
changes takes what it spent along, out of the totals that it was in and into others.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import add, neg
from typing import Any, ClassVar, Final, NamedTuple

from sqlalchemy import Connection, Delete, MetaData, Table, bindparam

from ledger import events as e
from ledger.mapper import Recorded
from projections import cost_calls, cost_runs
from projections.cost_calls import Place, Sums
from projections.cost_runs import Run
from projections.cost_tables import (
    BY_AGENT,
    BY_LABEL,
    BY_MODEL,
    BY_USER,
    BY_VERSION,
    CUTS,
    HOUR,
    HOURS,
    NO_MODEL,
    OF_CALLS,
    OF_EXECUTIONS,
    SUMS,
    Cut,
    calls,
    metadata,
    runs,
)
from projections.dialect import upsert
from projections.projection import Identity, Page
from projections.topics import of_topics

Row = dict[str, Any]
Key = tuple[Any, ...]
Where = Sequence[tuple[str, ...]]

_TOPICS: Final = cost_runs.TOPICS | {e.UsageRecorded.TOPIC}


class Spent(NamedTuple):
    """What a page does to an execution.

    Attributes:
        identity: of the execution.
        before: as it was; None where the page begins with it.
        after: as it is.
        called: in earlier pages; only of one that changed.
        calls: in this page.
    """

    identity: Identity
    before: Run | None
    after: Run
    called: Mapping[Place, Sums]
    calls: Mapping[Place, Sums]

    @property
    def created(self) -> Place:
        """Where it is counted itself."""
        return self.identity.created_at // (HOUR * HOURS), NO_MODEL, NO_MODEL


class Costs:
    """Executions, tokens and money, by call and in totals by day."""

    name: ClassVar[str] = "costs"
    version: ClassVar[int] = 2
    metadata: ClassVar[MetaData] = metadata
    topics: ClassVar[frozenset[str] | None] = _TOPICS

    def apply(self, connection: Connection, page: Page) -> None:
        """Fold the page by execution, then add what it changes to the totals."""
        events = of_topics(page, _TOPICS)
        called = [
            cost_calls.row_of(event, page.identities[event.id])
            for event in events
            if event.topic == e.UsageRecorded.TOPIC
        ]
        spent = _spent(connection, page.identities, events, called)
        for cut in CUTS:
            _add(connection, cut, _changes(cut, spent.values()))
        upsert(connection, calls, called)
        changed = {id_: each.after for id_, each in spent.items() if each.before != each.after}
        upsert(connection, runs, [cost_runs.row_of(id_, run) for id_, run in changed.items()])


def _spent(
    connection: Connection,
    identities: Mapping[str, Identity],
    events: Sequence[Recorded],
    called: Sequence[Row],
) -> Mapping[str, Spent]:
    """What a page does to each of its executions."""
    begun = {event.id for event in events if event.topic == e.Created.TOPIC}
    before = cost_runs.load(connection, {event.id for event in events} - begun)
    after = dict(before)
    for event in events:
        if event.topic in cost_runs.TOPICS:
            after[event.id] = cost_runs.after(after.get(event.id), event)
    new = _by_place(called)
    old = cost_calls.load(connection, [id_ for id_, run in before.items() if after[id_] != run])
    return {
        id_: Spent(identities[id_], before.get(id_), run, old.get(id_, _NONE), new.get(id_, _NONE))
        for id_, run in after.items()
    }


_NONE: Final[Mapping[Place, Sums]] = {}


def _by_place(called: Sequence[Row]) -> Mapping[str, Mapping[Place, Sums]]:
    found: dict[str, dict[Place, Sums]] = defaultdict(dict)
    for call in called:
        own, place = found[call["execution_id"]], cost_calls.place_of(call)
        sums = cost_calls.sums_of(call)
        own[place] = _sum(own[place], sums) if place in own else sums
    return found


# Totals.


class _Totals(dict[Key, Sums]):
    """What is added to the totals of a cut, by their keys."""

    def __init__(self, cut: Cut) -> None:
        super().__init__()
        self._of_calls = cut.of_calls

    def add(self, workspace: str, where: Where, place: Place, sums: Sums) -> None:
        """Add what stands at a place of an execution to wherever the execution stands."""
        day, *of_call = place if self._of_calls else place[:1]
        for own in where:
            key = (workspace, day, *own, *of_call)
            before = self.get(key)
            self[key] = sums if before is None else _sum(before, sums)


def _changes(cut: Cut, spent: Iterable[Spent]) -> Mapping[Key, Sums]:
    """What a page adds to the totals of a cut."""
    totals, places = _Totals(cut), _PLACES[cut.table]
    for each in spent:
        workspace, here = each.identity.workspace, places(each.identity, each.after)
        was = here if each.before is None else places(each.identity, each.before)
        old = _counts(each.before)
        if was != here:
            for place, sums in ((each.created, old), *_of_calls(each.called)):
                totals.add(workspace, was, place, _negative(sums))
                totals.add(workspace, here, place, sums)
        totals.add(workspace, here, each.created, _sum(_counts(each.after), _negative(old)))
        for place, sums in _of_calls(each.calls):
            totals.add(workspace, here, place, sums)
    return {key: sums for key, sums in totals.items() if any(sums)}


def _counts(run: Run | None) -> Sums:
    """What an execution adds to totals by itself."""
    if run is None:
        return _NOTHING
    return (1, run.errors, run.duration_ms, run.durations, *_NO_CALLS)


def _of_calls(called: Mapping[Place, Sums]) -> list[tuple[Place, Sums]]:
    return [(place, _NO_EXECUTION + sums) for place, sums in called.items()]


def _add(connection: Connection, cut: Cut, changes: Mapping[Key, Sums]) -> None:
    """Add to the totals of a cut; those in which nothing is left go."""
    names = ("workspace", "day", *cut.key)
    rows = [dict(zip((*names, *SUMS), (*key, *sums), strict=True)) for key, sums in changes.items()]
    upsert(connection, cut.table, rows, add=SUMS)
    less = [key for key, sums in changes.items() if sums[_EXECUTIONS] < 0 or sums[_CALLS] < 0]
    if less:
        keys = [{f"key_{n}": part for n, part in enumerate(key)} for key in less]
        connection.execute(_emptied(cut.table, names), keys)


def _emptied(table: Table, names: Sequence[str]) -> Delete:
    key = [table.c[name] == bindparam(f"key_{n}") for n, name in enumerate(names)]
    return table.delete().where(*key, table.c.executions == 0, table.c.calls == 0)


_PLACES: Final[Mapping[Table, Callable[[Identity, Run], Where]]] = {
    BY_AGENT.table: lambda identity, _: [(identity.agent_id,)],
    BY_USER.table: lambda identity, _: [(identity.user_id,)],
    BY_VERSION.table: lambda identity, run: [
        (identity.agent_id, identity.agent_version_id, run.status)
    ],
    BY_MODEL.table: lambda identity, _: [(identity.agent_id,)],
    BY_LABEL.table: lambda _, run: list(run.labels.items()),
}
"""Where an execution stands in each cut, but for what is of its calls; by labels in many places."""


def _sum(left: Sums, right: Sums) -> Sums:
    return tuple(map(add, left, right))


def _negative(sums: Sums) -> Sums:
    return tuple(map(neg, sums))


_NOTHING: Final = (0,) * len(SUMS)
_NO_EXECUTION: Final = (0,) * len(OF_EXECUTIONS)
_NO_CALLS: Final = (0,) * len(OF_CALLS)
_EXECUTIONS: Final = SUMS.index("executions")
_CALLS: Final = SUMS.index("calls")
