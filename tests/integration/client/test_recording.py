"""Runs recorded by a program as they happen."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from ledger_client import (
    ApprovalDenied,
    AsyncLedger,
    BadRequest,
    ContentEvent,
    Ledger,
    LedgerClientError,
    Recording,
    ThinkingEvent,
    ToolEndEvent,
    ToolStartEvent,
    UsageEvent,
    current_recording,
    recorded,
)
from ledger_client.models import Execution
from tests.integration.client.conftest import address
from tests.live_server import Caller

Json = dict[str, Any]


def run_of(ledger: Ledger, recording: Recording) -> Execution:
    """The run at the server, once all of it is there."""
    assert recording.flush(60)
    assert recording.execution_id is not None
    return ledger.executions.get(recording.execution_id)


def events_of(ledger: Ledger, recording: Recording) -> list[Any]:
    return list(ledger.executions.stream(run_of(ledger, recording).id))


def test_a_run_is_recorded_as_it_was_said(ledger: Ledger) -> None:
    with ledger.record(agent="support", input={"q": 1}, metadata={"ticket": "T"}) as run:
        run.thinking("Hm.")
        with run.tool("look_up", {"id": 7}) as tool:
            tool.result({"found": True}, summary="found")
        run.content("Seven.")
        run.usage(model="m-1", prompt_tokens=9, completion_tokens=2, cost_usd=Decimal("0.00021"))
        run.complete({"answer": 7})

    execution = run_of(ledger, run)
    events = events_of(ledger, run)[2:-1]

    assert (execution.status, execution.agent_name) == ("completed", "support")
    assert (execution.input, execution.output) == ({"q": 1}, {"answer": 7})
    assert (execution.metadata, execution.cost_usd) == ({"ticket": "T"}, "0.00021")
    kinds = [ThinkingEvent, ToolStartEvent, ToolEndEvent, ContentEvent, UsageEvent]
    assert [type(event) for event in events] == kinds
    assert events[1].id == events[2].id
    assert (events[2].output, events[2].summary) == ({"found": True}, "found")


def test_a_run_within_another_is_its_child(ledger: Ledger) -> None:
    with ledger.record(agent="outer", input={"q": 1}) as outer:
        with ledger.record(agent="inner") as soon:
            pass
        assert outer.wait_for_id(20)
        with ledger.record(agent="inner") as later:
            pass
    with ledger.record(agent="other") as other:
        pass

    top, first, second, apart = (run_of(ledger, run) for run in (outer, soon, later, other))

    assert outer.input == {"q": 1}
    assert first.parent_execution_id == second.parent_execution_id == top.id
    assert apart.parent_execution_id is None


def test_a_run_nested_too_deeply_is_recorded_by_itself(ledger: Ledger) -> None:
    with ExitStack() as blocks:
        runs = [blocks.enter_context(ledger.record(agent=f"level {n}")) for n in range(53)]

    shown = [run_of(ledger, run) for run in runs]

    parents = [run.parent_execution_id for run in shown]
    assert parents[1:51] == [run.id for run in shown[:50]]
    assert parents[51] is None
    assert parents[52] == shown[51].id


def test_a_program_learns_that_its_run_is_to_stop(ledger: Ledger) -> None:
    with ledger.record(agent="long") as run:
        id_ = run.wait_for_id(20)
        assert id_ is not None
        run.flush(20)
        assert not run.cancelled
        with ThreadPoolExecutor() as others:
            cancelling = others.submit(ledger.executions.cancel, id_)
            until = monotonic() + 20
            while not run.cancelled:
                assert monotonic() < until
                run.content("more")
                run.flush(20)
        cancelling.result(20)


def decide(ledger: Ledger, decision: str, payload: Json | None = None) -> None:
    """Answer the one request that waits, or comes; with an edit before, if one is given."""
    until = monotonic() + 20
    while not (waiting := ledger.approvals.list(status="pending").data):
        assert monotonic() < until
        sleep(0.01)
    (request,) = waiting
    if payload is not None:
        request = ledger.approvals.supersede(request.id, payload=payload)
    ledger.approvals.decide(request.id, decision=decision, reason="because")


def test_a_run_waits_for_a_human_and_goes_on_with_what_was_approved(ledger: Ledger) -> None:
    with ThreadPoolExecutor() as others, ledger.record(agent="clerk") as run:
        run.content("before")
        answer = others.submit(decide, ledger, "approved", {"to": "ada"})
        decided = run.approval("send", {"to": "all"}, required_role="operator")
        answer.result(20)
        run.content("after")

    shown = run_of(ledger, run)
    types = [event.type for event in ledger.executions.events(shown.id)]

    assert (decided.approved, decided.payload, decided.reason) == (True, {"to": "ada"}, "because")
    assert shown.status == "completed"
    assert types == [
        "created",
        "started",
        "content_streamed",
        "approval_requested",
        "approval_superseded",
        "approved",
        "started",
        "content_streamed",
        "completed",
    ]


def test_a_no_ends_the_run_and_the_block(ledger: Ledger) -> None:
    with ThreadPoolExecutor() as others:
        others.submit(decide, ledger, "rejected")
        with pytest.raises(ApprovalDenied, match="because"), ledger.record(agent="clerk") as run:
            run.approval("send", {})

    assert run_of(ledger, run).status == "rejected"


def test_a_run_that_asked_to_goes_on_after_a_no(ledger: Ledger) -> None:
    with ThreadPoolExecutor() as others, ledger.record(agent="clerk") as run:
        others.submit(decide, ledger, "rejected")
        decided = run.approval("send", {}, on_reject="resume")
        run.output = {"sent": decided.approved}

    shown = run_of(ledger, run)
    assert (shown.status, shown.output) == ("completed", {"sent": False})


def test_what_cannot_be_asked_is_said_to_the_program(ledger: Ledger) -> None:
    with pytest.raises(BadRequest, match="payload"), ledger.record(agent="clerk") as run:
        run.approval("send", {"n": 2**60})

    assert run_of(ledger, run).status == "failed"


def test_a_client_that_is_closed_lets_nobody_wait_for_a_human(server: Caller) -> None:
    ledger = Ledger(address(server), spill=False)
    with ThreadPoolExecutor() as others, ledger.record(agent="clerk") as run:
        asking = others.submit(run.approval, "send", {})
        assert run.wait_for_id(20)
        ledger.close()

        with pytest.raises(LedgerClientError):
            asking.result(20)


def test_usage_in_the_providers_words_is_enough(ledger: Ledger) -> None:
    said = {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5}
    with ledger.record(agent="support") as run:
        run.usage(model="claude-sonnet-4-5", provider="anthropic", raw=said)

    execution = run_of(ledger, run)

    assert execution.token_usage["prompt_tokens"] == 100
    assert execution.cost_usd == "0.000132"  # 10 x 3 + 90 x 0.3 + 5 x 15 per million


def test_leaving_the_block_completes_the_run_with_its_output(ledger: Ledger) -> None:
    with ledger.record(agent="a") as mapping:
        mapping.output = {"n": 1}
    with ledger.record(agent="a") as other:
        other.output = [1, 2]
    with ledger.record(agent="a") as none:
        pass

    outputs = [run_of(ledger, run).output for run in (mapping, other, none)]

    assert outputs == [{"n": 1}, {"result": [1, 2]}, {}]


def test_an_exception_fails_the_run_and_goes_on(ledger: Ledger) -> None:
    with pytest.raises(ZeroDivisionError), ledger.record(agent="a") as run:
        1 / 0  # noqa: B018  it is done for its exception

    execution = run_of(ledger, run)
    (failed,) = ledger.executions.events(execution.id, type="failed")

    assert (execution.status, execution.error) == ("failed", "division by zero")
    assert failed.data["error_type"] == "ZeroDivisionError"
    assert "1 / 0" in failed.data["trace"]


def test_a_tool_that_fails_is_recorded_with_its_error(ledger: Ledger) -> None:
    with ledger.record(agent="a") as run, pytest.raises(KeyError), run.tool("t"):
        raise KeyError("gone")

    (end,) = [event for event in events_of(ledger, run) if isinstance(event, ToolEndEvent)]

    assert end.error == "'gone'"


def test_a_run_is_watched_while_it_is_recorded(ledger: Ledger) -> None:
    with ledger.record(agent="a") as run:
        id_ = run.wait_for_id(10)
        assert id_
        stream = ledger.executions.stream(id_)
        run.content("first")
        seen = next(event for event in stream if isinstance(event, ContentEvent))

    assert seen.content == "first"


def test_many_frames_stay_in_order(ledger: Ledger) -> None:
    with ledger.record(agent="a") as run:
        for n in range(1_000):
            run.content(str(n))

    contents = [e.content for e in events_of(ledger, run) if isinstance(e, ContentEvent)]

    assert contents == [str(n) for n in range(1_000)]


def test_what_was_shown_is_what_it_was_then(ledger: Ledger) -> None:
    messages = ["a"]
    with ledger.record(agent="a") as run, run.tool("t", messages):
        messages.append("b")

    (start,) = [event for event in events_of(ledger, run) if isinstance(event, ToolStartEvent)]

    assert start.input == ["a"]


class Strange:
    def __repr__(self) -> str:
        return "<strange>"


def test_nothing_that_is_said_is_refused_for_its_form(ledger: Ledger) -> None:
    odd = {"nan": float("nan"), "big": 10**30, "odd": Strange(), "set": {1}, 5: b"x"}
    with ledger.record(agent="a\nb", input=odd) as run:
        run.content("\ud800 half a letter")
        with run.tool("x" * 300 + "\n", odd) as tool:
            tool.result(odd)
        run.frame("weather", sky="blue")
        run.content("after")

    execution = run_of(ledger, run)
    contents = [e.content for e in events_of(ledger, run) if isinstance(e, ContentEvent)]

    assert execution.status == "completed"
    assert execution.input["odd"] == "<strange>"
    assert (execution.input["nan"], execution.input["big"]) == ("nan", str(10**30))
    assert contents == ["? half a letter", "after"]


def test_what_is_too_large_is_left_out_and_the_run_comes_to_an_end(ledger: Ledger) -> None:
    large = "x" * (5 * 1024 * 1024)
    with ledger.record(agent="a") as run:
        run.content("before")
        run.content(large)
        run.content("after")
        run.output = {"large": large}

    execution = run_of(ledger, run)
    contents = [e.content for e in events_of(ledger, run) if isinstance(e, ContentEvent)]

    assert (execution.status, contents) == ("failed", ["before", "after"])
    assert execution.error.startswith("the output was refused")


async def test_a_run_is_recorded_from_asyncio(server: Caller, ledger: Ledger) -> None:
    async with AsyncLedger(address(server), spill=False) as client:
        async with client.record(agent="a") as run:
            run.content("Hi")
            async with run.tool("t") as tool:
                tool.result(1)
        assert await client.flush(10)

        assert run.execution_id is not None
        assert (await client.executions.get(run.execution_id)).status == "completed"


def newest(ledger: Ledger, agent: str) -> Execution:
    """The last run of an agent, by the agent's name."""
    assert ledger.flush(10)
    (found,) = ledger.agents.list(name=agent)
    return ledger.executions.list(agent_id=found.id, limit=1)[0]  # type: ignore[no-any-return]  # a page's item


def test_a_function_is_recorded_by_its_arguments_and_its_result(ledger: Ledger) -> None:
    @ledger.recorded(agent="adder", metadata={"team": "sums"})
    def add(a: int, b: int = 2) -> int:
        """Adds."""
        return a + b

    assert add(1) == 3
    assert add.__doc__ == "Adds."

    run = newest(ledger, "adder")
    assert (run.input, run.output) == ({"a": 1, "b": 2}, {"result": 3})
    assert run.metadata == {"team": "sums"}


async def test_an_async_function_is_recorded_and_reaches_its_recording(ledger: Ledger) -> None:
    @recorded(ledger)
    async def greeter(name: str) -> dict[str, str]:
        await asyncio.sleep(0)
        run = current_recording()
        assert run is not None
        run.thinking("politely")
        return {"greeted": name}

    assert await greeter("Ada") == {"greeted": "Ada"}
    assert current_recording() is None

    run = newest(ledger, "greeter")
    assert (run.input, run.output) == ({"name": "Ada"}, {"greeted": "Ada"})


def test_a_function_that_fails_fails_its_run(ledger: Ledger) -> None:
    class Shop:
        @ledger.recorded("refunder")
        def refund(self, order: object) -> None:
            raise LookupError("no such order")

    with pytest.raises(LookupError):
        Shop().refund(Strange())

    run = newest(ledger, "refunder")
    assert (run.status, run.error, run.input) == (
        "failed",
        "no such order",
        {"order": "<strange>"},
    )


def test_a_generator_is_not_recorded_by_accident(ledger: Ledger) -> None:
    def numbers() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="generator"):
        ledger.recorded()(numbers)


def test_an_agent_must_be_named_once(ledger: Ledger) -> None:
    with pytest.raises(TypeError, match="agent"):
        ledger.record()


def test_a_run_that_is_over_takes_nothing_more(ledger: Ledger) -> None:
    with ledger.record(agent="a") as run:
        run.fail("enough", error_code="timeout", error_type="Enough")
        run.content("late")

    execution = run_of(ledger, run)

    assert (execution.status, execution.error_code) == ("failed", "timeout")
    assert not [e for e in events_of(ledger, run) if isinstance(e, ContentEvent)]


def test_what_is_said_after_the_client_was_closed_disturbs_nobody(
    server: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(address(server), spill=False)

    with ledger.record(agent="a") as run:
        ledger.close()
        run.content("late")

    assert "after its client was closed" in caplog.text


def test_nothing_is_left_on_the_disk_when_everything_is_delivered(
    server: Caller, tmp_path: Path
) -> None:
    with Ledger(address(server), spill=tmp_path) as ledger, ledger.record(agent="a") as run:
        run.content("Hi")
        assert run.wait_for_id(10)
        assert len([*tmp_path.iterdir()]) == 1

    assert [*tmp_path.iterdir()] == []
