"""The fold of costs: each model call, and totals by day in every cut.

What a call cost stands on the day of the call, in UTC; how many executions there were, how many
failed and how long they took on the day of their creation. An execution whose status or metadata
changes takes what it spent along, out of the totals that it was in and into others.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import add, neg, sub
from typing import Any, ClassVar, Final, NamedTuple, Self

from sqlalchemy import Connection, Delete, MetaData, Table, bindparam

from ledger import events as e
from projections import cost_calls, cost_runs
from projections.bulk import upsert
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
from projections.projection import Identity, Page

Row = dict[str, Any]
Key = tuple[Any, ...]
Where = Sequence[tuple[str, ...]]


class Spent(NamedTuple):
    """What a page does to an execution.

    Attributes:
        identity: of the execution.
        before: as it was; None where the page begins with it.
        after: as it is.
        old: what it had added to totals; only of one that changed.
        new: what the page adds.
    """

    identity: Identity
    before: Run | None
    after: Run
    old: "Amounts"
    new: "Amounts"


class Amounts(NamedTuple):
    """What an execution adds to totals: told apart by model, and by day alone."""

    by_place: Mapping[Key, Sums]
    by_day: Mapping[Key, Sums]

    @classmethod
    def of(cls, created: int, counts: Sums, called: Mapping[Place, Sums]) -> Self:
        """Of an execution itself, which counts on the day of its creation, and of its calls."""
        by_place: dict[Key, Sums] = {place: _NO_EXECUTION + sums for place, sums in called.items()}
        by_day: dict[Key, Sums] = {}
        if any(counts):
            by_place[created, NO_MODEL, NO_MODEL] = by_day[(created,)] = counts + _NO_CALLS
        for (day, *_), sums in called.items():
            _put(by_day, (day,), _NO_EXECUTION + sums)
        return cls(by_place, by_day)


NO_AMOUNTS: Final = Amounts({}, {})


class Costs:
    """Executions, tokens and money, by call and in totals by day."""

    name: ClassVar[str] = "costs"
    version: ClassVar[int] = 3
    metadata: ClassVar[MetaData] = metadata
    topics: ClassVar[frozenset[str] | None] = cost_runs.TOPICS | {
        e.UsageRecorded.TOPIC,
        e.UsageRepriced.TOPIC,
    }

    def apply(self, connection: Connection, page: Page) -> None:
        """Fold the page by execution, then add what it changes to the totals."""
        called = cost_calls.called(connection, page)
        save(connection, called.rows, _spent(connection, page, called.sums))


def save(connection: Connection, called: Sequence[Row], spent: Mapping[str, Spent]) -> None:
    """Write calls, and what a page did to executions, with all that it changes in totals."""
    for cut in CUTS:
        _add(connection, cut, _changes(cut, spent.values()))
    upsert(connection, calls, called)
    changed = {id_: each.after for id_, each in spent.items() if each.before != each.after}
    upsert(connection, runs, [cost_runs.row_of(id_, run) for id_, run in changed.items()])


def _spent(
    connection: Connection, page: Page, new: Mapping[str, Mapping[Place, Sums]]
) -> Mapping[str, Spent]:
    """What a page does to each of its executions."""
    begun = {event.id for event in page.events if event.topic == e.Created.TOPIC}
    before = cost_runs.load(connection, {event.id for event in page.events} - begun)
    after = cost_runs.fold(before, page.events)
    old = cost_calls.load(connection, [id_ for id_, run in before.items() if after[id_] != run])
    spent = {}
    for id_, run in after.items():
        identity, was = page.identities[id_], before.get(id_)
        day = identity.created_at // (HOUR * HOURS)
        counted = tuple(map(sub, _counts(run), _counts(was)))
        spent[id_] = Spent(
            identity,
            was,
            run,
            old=NO_AMOUNTS if was is None else Amounts.of(day, _counts(was), old.get(id_, {})),
            new=Amounts.of(day, counted, new.get(id_, {})),
        )
    return spent


def _counts(run: Run | None) -> Sums:
    """What an execution adds to totals by itself."""
    return _NO_EXECUTION if run is None else (1, run.errors, run.duration_ms, run.durations)


# Totals.


def _changes(cut: Cut, spent: Iterable[Spent]) -> Mapping[Key, Sums]:
    """What a page adds to the totals of a cut, by their keys."""
    totals: dict[Key, Sums] = {}
    places = _PLACES[cut.table]

    def put(each: Spent, run: Run, amounts: Amounts, sign: int = 1) -> None:
        workspace = each.identity.workspace
        by_place = amounts.by_place if cut.of_calls else amounts.by_day
        for (day, *of_call), sums in by_place.items():
            signed = sums if sign > 0 else tuple(map(neg, sums))
            for place in places(each.identity, run):
                _put(totals, (workspace, day, *place, *of_call), signed)

    for each in spent:
        before, after = each.before, each.after
        if before is not None and places(each.identity, before) != places(each.identity, after):
            put(each, before, each.old, -1)
            put(each, after, each.old)
        put(each, after, each.new)
    return {key: sums for key, sums in totals.items() if any(sums)}


def _put(totals: dict[Any, Sums], key: Key, sums: Sums) -> None:
    before = totals.get(key)
    totals[key] = sums if before is None else tuple(map(add, before, sums))


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


_NO_EXECUTION: Final = (0,) * len(OF_EXECUTIONS)
_NO_CALLS: Final = (0,) * len(OF_CALLS)
_EXECUTIONS: Final = SUMS.index("executions")
_CALLS: Final = SUMS.index("calls")
