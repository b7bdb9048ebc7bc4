from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from ledger import events as e
from ledger.clock import format_time
from ledger.errors import NotFound
from projections import spans
from projections.pages import PageRequest
from tests.strategies import BEGINNING, frame
from tests.views import FIRST, Told, telling

pytestmark = pytest.mark.both_stores


@pytest.fixture
def told() -> Iterator[Told]:
    with telling() as told:
        yield told


def trace(told: Told, number: int = 1) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = told.ask(spans.get_trace, "acme", f"{number:032x}", told.reader)
    return found


def at(seconds: float) -> str:
    return format_time(BEGINNING + timedelta(seconds=seconds))


def test_a_run_is_a_root_with_a_child_for_each_call(told: Told) -> None:
    execution = told.running(user_id="ada", session_id="monday", input={"q": 1.50})
    told.tool(execution, "t1", output=["found"], summary="one")
    told.later(1)
    told.spend(execution, duration_ms=400, provider="openai", cached_tokens=7)
    told.do(execution, lambda stamp: execution.complete(stamp, {"text": "Dear Ada"}))

    root, tool, llm = trace(told)

    root_id = spans.span_id(execution.id)
    assert (root["span_id"], root["parent_span_id"]) == (root_id, "")
    assert {tool["parent_id"], llm["parent_span_id"]} == {root_id}
    assert (root["name"], root["kind"], root["status"]) == ("Writer", "agent", "ok")
    assert (root["input"], root["output"]) == ({"q": 1.5}, {"text": "Dear Ada"})
    assert (root["started_at"], root["ended_at"], root["duration_ms"]) == (at(0), at(2.5), 2500)
    assert (tool["name"], tool["kind"], tool["input"]) == ("search", "tool", {"for": "t1"})
    assert tool["output"] == {"value": ["found"]}
    assert tool["attributes"] == {"gen_ai.tool.call.id": "t1", "summary": "one"}
    assert (tool["started_at"], tool["ended_at"], tool["duration_ms"]) == (at(0), at(1.5), 1500)
    assert (llm["name"], llm["model_name"], llm["kind"]) == ("gpt-x", "gpt-x", "llm")
    assert (llm["started_at"], llm["ended_at"], llm["duration_ms"]) == (at(2.1), at(2.5), 400)
    assert (llm["cost"], llm["cost_usd"], llm["total_tokens"]) == (0.001, "0.001", 120)
    assert llm["token_usage"]["cached_tokens"] == 7
    assert llm["attributes"] == {"gen_ai.provider.name": "openai"}
    for span in (root, tool, llm):
        assert (span["user_id"], span["session_id"]) == ("ada", "monday")
        assert (span["agent_id"], span["execution_id"]) == ("agent-1", execution.id)


def test_a_child_execution_hangs_on_the_root_of_its_parent(told: Told) -> None:
    parent = told.running()
    told.later(1)
    child = told.create(parent=parent)

    root, below = trace(told)

    assert below["execution_id"] == child.id
    assert below["parent_span_id"] == root["span_id"] != below["span_id"]


def test_what_failed_is_an_error_and_what_was_stopped_is_none(told: Told) -> None:
    failed = told.running()
    told.tool(failed, "t1", error="no luck")
    told.do(failed, lambda s: failed.fail(s, {"error": "broken", "error_code": "error"}))
    stopped = told.running()
    told.do(stopped, lambda stamp: stopped.cancel(stamp, None, confirm=True))

    errors = told.ask(spans.list_spans, "acme", FIRST, told.reader, status="error")
    others = told.ask(spans.list_spans, "acme", FIRST, told.reader, status="ok")

    assert {span["error_message"] for span in errors} == {"no luck", "broken"}
    assert [span["execution_id"] for span in others] == [stopped.id]
    assert others[0]["attributes"] == {"execution.status": "cancelled"}


def test_an_id_that_is_used_again_begins_another_call(told: Told) -> None:
    execution = told.running()
    begun = frame(e.ToolStarted, id="t1", name="search")
    told.stream(execution, begun)
    told.ask(spans.list_spans, "acme", FIRST, told.reader)
    told.later(1)
    told.tool(execution, "t1", output={})
    told.ask(spans.list_spans, "acme", FIRST, told.reader)
    told.stream(execution, frame(e.ToolEnded, id="t1", name="search"))

    _, forgotten, called, unbegun = trace(told)

    assert (forgotten["ended_at"], forgotten["duration_ms"]) == (None, None)
    assert called["duration_ms"] == 1500
    assert (unbegun["duration_ms"], unbegun["started_at"]) == (None, unbegun["ended_at"])


def test_spans_are_listed_by_what_they_are_newest_execution_first(told: Told) -> None:
    old = told.running(session_id="monday")
    told.spend(old, "big")
    told.later(1)
    new = told.running(agent_id="agent-2")
    told.tool(new, "t1")
    told.spend(new, "small")

    def found(**asked: str) -> list[tuple[str, str]]:
        listed = told.ask(spans.list_spans, "acme", FIRST, told.reader, **asked)
        return [(span["execution_id"], span["kind"]) for span in listed]

    everything = [(new.id, kind) for kind in ("llm", "tool", "agent")]
    everything += [(old.id, kind) for kind in ("llm", "agent")]
    assert found() == everything
    assert found(kind="llm") == [(new.id, "llm"), (old.id, "llm")]
    assert found(model_name="big") == [(old.id, "llm")]
    assert found(agent_id="agent-2") == everything[:3]
    assert found(session_id="monday") == found(execution_id=old.id) == everything[3:]
    assert found(trace_id=new.trace_id) == everything[:3]


@pytest.mark.parametrize("asked", [{}, {"kind": "llm"}, {"model_name": "gpt-x"}])
def test_pages_by_cursor_are_the_whole_list(told: Told, asked: dict[str, str]) -> None:
    for _ in range(4):
        execution = told.running()
        told.spend(execution)
    whole = told.ask(spans.list_spans, "acme", FIRST, told.reader, **asked)

    paged: list[dict[str, Any]] = []
    cursor: str | None = None
    with told.store.reading() as connection:
        while not paged or cursor:
            request = PageRequest(limit=3, cursor=cursor)
            page = spans.list_spans(connection, "acme", request, told.reader, **asked)
            paged += page.items
            cursor = page.meta["next_cursor"]

    assert [span["id"] for span in paged] == [span["id"] for span in whole]


def test_the_summary_counts_nothing_twice(told: Told) -> None:
    execution = told.running(session_id="monday")
    told.spend(execution, "big", cost="0.0000000001")
    told.spend(execution, "small", cost=None)
    told.tool(execution, "t1", error="no luck")

    summary = told.ask(spans.summary, "acme")

    assert summary == {
        "total_traces": 1,
        "total_tokens": 240,
        "total_cost": 1e-10,
        "total_cost_usd": "0.0000000001",
        "unpriced_tokens": 120,
        "avg_duration_ms": 1500,
        "error_count": 1,
        "unique_models": 2,
        "unique_sessions": 1,
    }


def test_a_summary_is_of_the_days_that_it_names(told: Told) -> None:
    told.running()
    today = BEGINNING.date()

    def traces(first: date, last: date) -> int:
        found: int = told.ask(spans.summary, "acme", date_from=first, date_to=last)["total_traces"]
        return found

    assert traces(today, today) == 1
    assert traces(today + timedelta(days=1), today + timedelta(days=2)) == 0
    assert traces(today - timedelta(days=2), today - timedelta(days=1)) == 0
    assert traces(BEGINNING, BEGINNING) == 1


def test_spans_of_another_workspace_do_not_exist(told: Told) -> None:
    execution = told.running()
    told.spend(execution)

    with pytest.raises(NotFound):
        told.ask(spans.get_trace, "umbrella", execution.trace_id, told.reader)
    for asked in ({}, {"trace_id": execution.trace_id}, {"model_name": "gpt-x"}):
        assert told.ask(spans.list_spans, "umbrella", FIRST, told.reader, **asked) == []
    assert told.ask(spans.summary, "umbrella")["total_traces"] == 0
