"""The law of money: totals over any partition are the decimal sum of what was recorded."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Connection, literal, select, union_all

from ledger import events as e
from ledger.mapper import Recorded
from ledger.strict_json import decode_stored, encode
from projections import cost_groups, cost_text, costs, executions, sessions, spans
from projections.cost_questions import question
from projections.identities import identity_of
from projections.money import decimal_text
from projections.pages import PageRequest
from projections.projection import Identity, Projection
from tests.read_side import catch_up, fresh_views
from tests.strategies import WORKSPACES, MemoryLog, histories

pytestmark = pytest.mark.both_stores

VIEWS: list[Projection] = [
    executions.Executions(),
    costs.Costs(),
    sessions.Sessions(),
    spans.Spans(),
]

Usage = tuple[Identity, Recorded, str | None]
"""Who spent, the event that says so, and what it cost by the newest price."""


@given(histories(max_executions=6, max_acts=40), st.integers(1, 50))
def test_every_total_is_the_decimal_sum(events: list[Recorded], page_size: int) -> None:
    with fresh_views() as store:
        catch_up(store, VIEWS, MemoryLog(events), page_size)

        with store.reading() as connection:
            for workspace in WORKSPACES:
                used = [each for each in usages(events) if each[0].workspace == workspace]
                check_workspace(connection, workspace, used)


amounts = st.tuples(st.integers(0, 10**17), st.integers(0, 10**15))


@given(st.lists(amounts, min_size=1, max_size=5), st.integers(0, 2), st.integers(0, 2))
def test_a_total_is_shown_as_the_exact_decimal_that_it_is(
    money: list[tuple[int, int]], calls: int, priced: int
) -> None:
    counts = dict.fromkeys(cost_text.MEASURES, 7) | {"calls": calls, "priced_calls": priced}
    rows = [counts | {"cost_nano": nano, "cost_rest": rest} for nano, rest in money]
    sources = [select(*(literal(n, BigInteger).label(name) for name, n in r.items())) for r in rows]
    sums = union_all(*sources).subquery()

    with fresh_views() as store, store.reading() as connection:
        texts = connection.scalars(select(cost_text.shown()).select_from(sums)).all()

    found = sorted(json.loads(f"{{{text}}}")["cost_usd"] or "?" for text in texts)
    exact = (Decimal(nano).scaleb(-9) + Decimal(rest).scaleb(-18) for nano, rest in money)
    is_unknown = calls > 0 and priced == 0
    assert found == sorted("?" if is_unknown else decimal_text(usd) for usd in exact)
    assert all(json.loads(f"{{{text}}}")["executions"] == 7 for text in texts)


def check_workspace(connection: Connection, workspace: str, used: list[Usage]) -> None:
    whole = sum_of(used)
    summary = costs.summary(connection, workspace)
    traced = spans.summary(connection, workspace)

    assert shown(summary, "total_cost_usd", used) == whole
    assert shown(traced, "total_cost_usd", used) == whole
    assert summary["total_tokens"] == traced["total_tokens"] == tokens_of(used)
    assert summary["unpriced_tokens"] == tokens_of(u for u in used if cost_of(u) is None)
    for by in (["agent"], ["model"], ["day"], ["day", "model", "agent"]):
        rows = decode_stored(encode(cost_groups.grouped(connection, question(workspace, by))))
        found = {tuple(row[name] for name in by): row for row in rows}
        for key, group in grouped(used, by).items():
            assert shown(found[key], "cost_usd", group) == sum_of(group)
            assert found[key]["total_tokens"] == tokens_of(group)
        assert sum(row["calls"] for row in rows) == len(used)
    listed = sessions.list_sessions(connection, workspace, PageRequest(limit=100)).items
    in_sessions = [each for each in used if each[0].session_id]
    assert sum(Decimal(row["total_cost_usd"] or 0) for row in listed) == (sum_of(in_sessions) or 0)
    assert sum(row["total_tokens"] for row in listed) == tokens_of(in_sessions)


def usages(events: Iterable[Recorded]) -> Iterable[Usage]:
    known, calls, costs_now = {}, [], {}
    for event in events:
        if event.topic == e.Created.TOPIC:
            known[event.id] = identity_of(event)
        elif event.topic == e.UsageRecorded.TOPIC:
            calls.append(event)
            costs_now[event.id, event.version] = event.facts.get("cost_usd")
        elif event.topic == e.UsageRepriced.TOPIC:
            costs_now[event.id, event.facts["sequence"]] = event.facts["cost_usd"]
    for call in calls:
        yield known[call.id], call, costs_now[call.id, call.version]


KEYS: dict[str, Callable[[Usage], str]] = {
    "agent": lambda usage: usage[0].agent_id,
    "model": lambda usage: usage[1].facts["model"],
    "day": lambda usage: (usage[1].facts.get("occurred_at") or usage[1].at)[:10],
}


def grouped(used: Iterable[Usage], by: list[str]) -> dict[tuple[str, ...], list[Usage]]:
    groups = defaultdict(list)
    for usage in used:
        groups[tuple(KEYS[name](usage) for name in by)].append(usage)
    return groups


def cost_of(usage: Usage) -> Decimal | None:
    return None if usage[2] is None else Decimal(usage[2])


def sum_of(used: Iterable[Usage]) -> Decimal | None:
    """What is known of the money; None where nothing is."""
    known = [cost for cost in map(cost_of, used) if cost is not None]
    return sum(known, Decimal(0)) if known else None


def tokens_of(used: Iterable[Usage]) -> int:
    return sum(usage[1].facts["total_tokens"] for usage in used)


def shown(row: dict[str, Any], name: str, used: list[Usage]) -> Decimal | None:
    """The money in a row; without usage it must be 0, which is the sum of nothing."""
    text = row[name]
    if not used:
        assert text == "0"
        return None
    return None if text is None else Decimal(text)
