"""The laws of totals: by whatever one asks, they are the decimal sum of the events, exactly."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from ledger import events as e
from ledger.clock import parse_time
from ledger.mapper import Recorded
from ledger.strict_json import decode_stored, encode
from projections.cost_groups import each, grouped
from projections.cost_questions import GROUPS, Period, Question, Scope, cut_for, question
from projections.cost_tables import CUTS
from projections.cost_text import MEASURES
from projections.costs import Costs
from projections.execution_rows import Row
from projections.executions import Executions
from projections.filters import parse_filters
from projections.labels import labels_of, searchable
from projections.projection import Projection
from projections.times import time_of
from tests.read_side import catch_up, fresh_views, rows_of
from tests.spendings import spendings
from tests.strategies import BEGINNING, MODELS, WORKSPACES, MemoryLog

VIEWS: list[Projection] = [Executions(), Costs()]
WORKSPACE = WORKSPACES[0]
KEYS = ("a", "b")


class Counted(NamedTuple):
    """A call, or an execution itself, and the execution under which it is counted."""

    top: Row
    at: datetime
    call: Mapping[str, Any] | None = None


days = st.none() | st.sampled_from([BEGINNING.date() + timedelta(days=n) for n in (-1, 0, 1)])
groups = st.lists(
    st.sampled_from([*GROUPS, *(f"metadata.{key}" for key in KEYS)]),
    min_size=1,
    max_size=3,
)
filters = st.dictionaries(
    st.sampled_from(["agent_id", "user_id", "status", "model", "session_id", "metadata.a"]),
    st.none(),
    max_size=2,
)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """Anything that may be asked."""
    values: Mapping[str, Sequence[str]] = {
        "agent_id": ["agent-1", "agent-2"],
        "user_id": ["a", "tenant-1"],
        "session_id": ["a", "tenant-1"],
        "status": ["running", "completed", "failed,cancelled"],
        "model": MODELS,
        "metadata.a": ["", "law", "1", "null"],
    }
    asked = {name: draw(st.sampled_from(values[name])) for name in draw(filters)}
    scope = draw(st.sampled_from(Scope))
    period = Period(draw(days), draw(days))
    return question(WORKSPACE, draw(groups), parse_filters(asked.items()), period, scope)


OF_EACH_CUT = [
    question(WORKSPACE, by)
    for by in (["agent", "day"], ["user"], ["version", "status"], ["provider"], ["metadata.a"])
]


@given(
    spendings(),
    st.integers(1, 12),
    st.lists(st.integers(0, 30), max_size=3),
    st.lists(questions(), min_size=1, max_size=6),
)
def test_totals_by_anything_are_the_decimal_sum_of_the_events(
    events: list[Recorded], page_size: int, stops: list[int], asked: list[Question]
) -> None:
    with fresh_views() as store:
        for stop in [*sorted(stops), len(events)]:
            catch_up(store, VIEWS, MemoryLog(events[:stop]), page_size)

        with store.reading() as connection:
            for one in (*asked, *OF_EACH_CUT):
                assert decode_stored(encode(grouped(connection, one))) == naive(events, one)
                assert [row for rows in each(connection, one) for row in rows] == naive(events, one)


@given(spendings(), st.integers(1, 12))
def test_every_partition_adds_up_to_the_whole(events: list[Recorded], page_size: int) -> None:
    with fresh_views() as store:
        catch_up(store, VIEWS, MemoryLog(events), page_size)

        with store.reading() as connection:
            whole = whole_of(connection, ["workspace"], Scope.OWN)
            for scope in Scope:
                for by in (*GROUPS, "metadata.a", "metadata.b"):
                    assert whole_of(connection, [by], scope) == whole


def whole_of(connection: Connection, by: list[str], scope: Scope) -> dict[str, Any]:
    """The sum over all groups."""
    rows = decode_stored(encode(grouped(connection, question(WORKSPACE, by, scope=scope))))
    names = [name for name in MEASURES if name != "executions"]
    money = "inclusive_cost_usd" if scope is Scope.INCLUSIVE else "cost_usd"
    spent = sum(Decimal(row[money] or 0) for row in rows)
    return {"spent": spent, **{name: sum(row[name] for row in rows) for name in names}}


def test_every_cut_answers_some_question() -> None:
    assert [cut_for(one) for one in OF_EACH_CUT] == list(CUTS)


def naive(events: Sequence[Recorded], asked: Question) -> list[dict[str, Any]]:
    """The same totals, by adding up in Python what was recorded."""
    found: dict[tuple[Any, ...], list[Counted]] = defaultdict(list)
    for counted in counted_in(events, asked):
        found[tuple(value_of(name, counted) for name in asked.by)].append(counted)
    return [row(asked, key, found[key]) for key in sorted(found)]


def counted_in(events: Sequence[Recorded], asked: Question) -> Iterable[Counted]:
    rows = {id_: row for id_, row in rows_of(events).items() if row["workspace"] == WORKSPACE}
    inclusive = asked.scope is Scope.INCLUSIVE
    tops = {id_: rows[row["root_id"]] if inclusive else row for id_, row in rows.items()}
    everything = [Counted(tops[id_], time_of(row["created_at"])) for id_, row in rows.items()]
    repriced = [event for event in events if event.topic == e.UsageRepriced.TOPIC]
    newest = {(one.id, one.facts["sequence"]): one.facts["cost_usd"] for one in repriced}
    for event in events:
        if event.topic == e.UsageRecorded.TOPIC and event.id in rows:
            facts = event.facts
            facts["cost_usd"] = newest.get((event.id, event.version), facts.get("cost_usd"))
            at = parse_time(facts.get("occurred_at") or event.at)
            everything.append(Counted(tops[event.id], at, facts))
    return [counted for counted in everything if is_in(asked, counted)]


def is_in(asked: Question, counted: Counted) -> bool:
    if counted.call is None and asked.of_calls:
        return False
    is_wanted = all(counted.call and counted.call["model"] == model for model in asked.models)
    day = counted.at.astimezone(UTC).date()
    in_period = (asked.period.first or date.min) <= day <= (asked.period.last or date.max)
    return is_wanted and in_period and asked.of_runs.hold(counted.top)


def value_of(name: str, counted: Counted) -> Any:
    if name.startswith("metadata."):
        return dict(labels_of("[]", counted.top["metadata"])).get(name, "")
    return VALUES[name](counted)


VALUES: dict[str, Callable[[Counted], Any]] = {
    "agent": lambda one: one.top["agent_id"],
    "version": lambda one: one.top["agent_version_id"],
    "user": lambda one: one.top["user_id"] or "",
    "session": lambda one: one.top["session_id"] or "",
    "workspace": lambda one: one.top["workspace"],
    "status": lambda one: one.top["status"],
    "model": lambda one: searchable((one.call or {})["model"]),
    "provider": lambda one: (one.call or {}).get("provider") or "",
    "day": lambda one: one.at.astimezone(UTC).date().isoformat(),
    "hour": lambda one: one.at.astimezone(UTC).strftime("%Y-%m-%dT%H:00:00Z"),
}


def row(asked: Question, key: tuple[Any, ...], counted: list[Counted]) -> dict[str, Any]:
    calls = [one.call for one in counted if one.call is not None]
    costs = [None if c.get("cost_usd") is None else Decimal(c["cost_usd"]) for c in calls]
    known = [cost for cost in costs if cost is not None]
    spent = sum(known, Decimal(0)) if known or not calls else None
    money = "inclusive_cost" if asked.scope is Scope.INCLUSIVE else "cost"
    unpriced = [c["total_tokens"] for c, cost in zip(calls, costs, strict=True) if cost is None]
    tokens = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens")
    return {
        **dict(zip(asked.by, key, strict=True)),
        "executions": None if asked.of_calls else len(counted) - len(calls),
        "calls": len(calls),
        **{name: sum(c.get(name) or 0 for c in calls) for name in tokens},
        "unpriced_tokens": sum(unpriced),
        money: None if spent is None else float(spent),
        f"{money}_usd": None if spent is None else text(spent),
    }


def text(amount: Decimal) -> str:
    plain = format(amount, "f")
    return plain.rstrip("0").rstrip(".") or "0" if "." in plain else plain
