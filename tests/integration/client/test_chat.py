"""A chat model as an agent: a real server, a real worker, and an endpoint on a socket."""

import asyncio
import logging
import math
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic_ai import RunContext

from ledger_client import AsyncLedger
from ledger_client.chat import chat_agent
from ledger_client.models import Execution
from ledger_client.request import write
from ledger_client.work import AgentSet, Run, Worker
from server.settings import Settings
from tests.fake_chat import (
    USAGE,
    Answer,
    FakeChat,
    call_deltas,
    delta,
    fake_chat,
    refused,
    streamed,
)
from tests.integration.client.sockets import free_port
from tests.live_server import live_server
from tests.quick_settings import quick_settings
from tests.stores import database_in

Json = dict[str, Any]
SECONDS = 20.0
KEY = "sk-never-to-be-seen-0123456789"


class Desk(NamedTuple):
    """A server, a chat agent at work for it, and the endpoint that the agent speaks to."""

    ledger: AsyncLedger
    chat: FakeChat

    async def ask(self, input_: Json | None = None) -> str:
        async with asyncio.timeout(SECONDS):
            while True:
                page = await self.ledger.agents.list(name="chat")
                if page.data:
                    break
                await asyncio.sleep(0.02)
        asked: Json = {"input": input_ or {"prompt": "Wie geht's?"}, "async_mode": True}
        return str((await self.ledger.agents.execute(page.data[0].id, **asked)).id)

    async def end(self, id_: str) -> Execution:
        return await self.ledger.executions.wait(id_, timeout=SECONDS, poll_seconds=0.02)

    async def run(self, input_: Json | None = None) -> tuple[Execution, list[Any]]:
        """A run to its end, and its history."""
        id_ = await self.ask(input_)
        return await self.end(id_), await self.history(id_)

    async def history(self, id_: str) -> list[Any]:
        return list((await self.ledger.executions.events(id_)).data)

    async def until(self, id_: str, type_: str) -> None:
        async with asyncio.timeout(SECONDS):
            while True:
                if type_ in [event.type for event in await self.history(id_)]:
                    return
                await asyncio.sleep(0.02)

    async def until_waiting_for(self, id_: str, word: str) -> None:
        async with asyncio.timeout(SECONDS):
            while True:
                asked = facts(await self.history(id_), "approval_requested")
                if word in str(asked[-1]):
                    return
                await asyncio.sleep(0.02)

    async def supersede(self, id_: str, payload: Json) -> None:
        """A human edits what waits for approval."""
        approval = await self.ledger.executions.pending_approval(id_)
        body = {"payload": payload}
        edit = write("POST", f"/approvals/{approval.id}/supersede", dict, body)
        await self.ledger.transport.run(edit)


@asynccontextmanager
async def talking(at: Settings, *answers: Answer, **more: Any) -> AsyncIterator[Desk]:
    agents = AgentSet()
    with fake_chat(*answers) as chat, live_server(at) as caller:
        known: Json = {"base_url": chat.url, "model": "fake-1", "api_key": KEY, "max_retries": 0}
        chat_agent(agents, name="chat", **{**known, **more})
        async with AsyncLedger(f"http://127.0.0.1:{caller.port}", spill=False) as ledger:
            worker = Worker(ledger, agents)
            running = asyncio.create_task(worker.run(grace_seconds=1))
            try:
                yield Desk(ledger, chat)
            finally:
                worker.stop()
                await running


def settings_in(folder: Path, **more: Any) -> Settings:
    return quick_settings(database_in(folder), **({"heartbeat_seconds": 0.2} | more))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


def texts(history: list[Any], type_: str) -> str:
    return "".join(event.data["content"] for event in history if event.type == type_)


def facts(history: list[Any], type_: str) -> list[Json]:
    return [dict(event.data) for event in history if event.type == type_]


GREETING = (
    delta(reasoning_content="Höf"),
    delta(reasoning_content="lich 🙂."),
    delta(content="Grüß"),
    delta(content=" Gott, "),
    delta(content="世界 👋🏽!"),
)


@pytest.mark.parametrize("pieces", [(1_000_000,), (1,), (7, 1, 2), (255, 3)])
async def test_what_the_model_thinks_says_and_costs_is_recorded(
    settings: Settings, pieces: tuple[int, ...]
) -> None:
    async with talking(settings, streamed(*GREETING, usage=USAGE, pieces=pieces)) as desk:
        ended, history = await desk.run()

    assert (ended.status, ended.output) == ("completed", {"answer": "Grüß Gott, 世界 👋🏽!"})
    assert texts(history, "thought") == "Höflich 🙂."
    assert texts(history, "content_streamed") == "Grüß Gott, 世界 👋🏽!"
    kinds = list(dict.fromkeys(event.type for event in history))
    assert kinds[2:] == ["thought", "content_streamed", "usage_recorded", "completed"]


async def test_usage_is_recorded_as_it_was_reported(settings: Settings) -> None:
    async with talking(settings, streamed(*GREETING, usage=USAGE)) as desk:
        ended, history = await desk.run()
        (usage,) = facts(history, "usage_recorded")

    counts = {name: usage[name] for name in usage if name.endswith("_tokens")}
    assert counts == {
        "prompt_tokens": 120,
        "completion_tokens": 45,
        "total_tokens": 165,
        "cached_tokens": 100,
        "reasoning_tokens": 30,
    }
    assert usage["raw"] == USAGE
    assert (usage["model"], usage["provider"]) == ("fake-1", "127.0.0.1")
    assert ended.token_usage["total_tokens"] == 165
    assert desk.chat.requests[0]["stream_options"] == {"include_usage": True}


async def test_tokens_that_nobody_counted_are_not_recorded_as_none(settings: Settings) -> None:
    async with talking(settings, streamed(*GREETING)) as desk:
        _, history = await desk.run()

    assert facts(history, "usage_recorded") == []


async def test_many_small_words_become_few_frames(settings: Settings) -> None:
    words = [delta(content=f"{number} ") for number in range(500)]

    async with talking(settings, streamed(*words)) as desk:
        ended, history = await desk.run()

    assert texts(history, "content_streamed") == (ended.output or {})["answer"]
    assert len(facts(history, "content_streamed")) < 250


async def test_a_character_that_came_in_halves_is_whole(settings: Settings) -> None:
    halves = [delta(content="a\ud83d"), delta(content="\ude42"), delta(content="b\ud83d")]

    async with talking(settings, streamed(*halves, escaped=True)) as desk:
        ended, history = await desk.run()

    assert ended.output == {"answer": "a🙂b\ufffd"}
    assert texts(history, "content_streamed") == "a🙂b\ufffd"


async def test_a_conversation_is_sent_as_it_was_given(settings: Settings) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "Who are you?"},
    ]

    async with talking(settings, streamed(*GREETING), instructions="Rhyme.") as desk:
        ended, _ = await desk.run({"messages": messages})

    sent = [(each["role"], each["content"]) for each in desk.chat.requests[0]["messages"]]
    assert ended.status == "completed"
    assert ("system", "Rhyme.") in sent
    assert [each for each in sent if each[1] != "Rhyme."] == [
        (each["role"], each["content"]) for each in messages
    ]


@pytest.mark.parametrize(
    "input_",
    [{}, {"prompt": ""}, {"prompt": "a", "messages": []}, {"messages": [{"role": "tool"}]}],
)
async def test_what_is_no_question_is_refused(settings: Settings, input_: Json) -> None:
    async with talking(settings, streamed(*GREETING)) as desk:
        agent_id = (await desk.end(await desk.ask())).agent_id

        with pytest.raises(Exception, match=r"invalid_input|does not satisfy|valid"):
            await desk.ledger.agents.execute(agent_id, input=input_)


# Tools.


def temperature(city: str, days: int = 1) -> Json:
    """The temperature in a city.

    Args:
        city: its name.
        days: how many.
    """
    if city == "Atlantis":
        message = f"no such city: {city}"
        raise LookupError(message)
    return {"city": city, "celsius": [21.5] * days}


LOOK_UP = streamed(
    *call_deltas("temperature", '{"city": "Zürich 🏔", "days": 2}'),
    finish="tool_calls",
    usage=USAGE,
    pieces=(1, 5),
)


async def test_a_tool_is_called_with_what_the_model_said_and_answers_it(
    settings: Settings,
) -> None:
    async with talking(settings, LOOK_UP, streamed(*GREETING), tools=[temperature]) as desk:
        ended, history = await desk.run()

    (start,), (end,) = facts(history, "tool_started"), facts(history, "tool_ended")
    assert (start["name"], start["input"]) == ("temperature", {"city": "Zürich 🏔", "days": 2})
    assert end["output"] == {"city": "Zürich 🏔", "celsius": [21.5, 21.5]}
    assert ended.status == "completed"
    last = desk.chat.requests[1]["messages"][-1]
    assert (last["role"], last["tool_call_id"]) == ("tool", "call_1")
    assert "21.5" in last["content"]
    (offered,) = desk.chat.requests[0]["tools"]
    assert offered["function"]["parameters"]["properties"]["city"]["description"] == "its name."


async def test_a_tool_may_use_the_run(settings: Settings) -> None:
    async def note(ctx: RunContext[Run], word: str) -> Json:
        await ctx.deps.thinking(f"noted {word}")
        return {"at": datetime(2026, 11, 1, tzinfo=UTC), "price": Decimal("1.50"), "bad": math.nan}

    noted = streamed(*call_deltas("note", '{"word": "x"}'), finish="tool_calls")

    async with talking(settings, noted, streamed(*GREETING), tools=[note]) as desk:
        ended, history = await desk.run()

    (end,) = facts(history, "tool_ended")
    assert ended.status == "completed"
    assert texts(history, "thought").startswith("noted x")
    assert end["output"] == {"at": "2026-11-01T00:00:00Z", "price": "1.50", "bad": "nan"}


async def test_two_calls_in_one_response_are_made_one_after_the_other(settings: Settings) -> None:
    both = streamed(
        *call_deltas("temperature", '{"city": "Bern"}', id_="a"),
        *call_deltas("temperature", '{"city": "Rome"}', id_="b", index=1),
        finish="tool_calls",
    )

    async with talking(settings, both, streamed(*GREETING), tools=[temperature]) as desk:
        _, history = await desk.run()

    types = [event.type for event in history if event.type.startswith("tool")]
    assert types == ["tool_started", "tool_ended"] * 2
    assert [each["input"]["city"] for each in facts(history, "tool_started")] == ["Bern", "Rome"]


async def test_what_goes_wrong_in_a_tool_is_recorded_and_told_to_the_model(
    settings: Settings,
) -> None:
    wrong = streamed(*call_deltas("temperature", '{"city": "Atlantis"}'), finish="tool_calls")

    async with talking(settings, wrong, streamed(*GREETING), tools=[temperature]) as desk:
        ended, history = await desk.run()

    (end,) = facts(history, "tool_ended")
    assert end["error"] == "LookupError: no such city: Atlantis"
    assert "no such city" in desk.chat.requests[1]["messages"][-1]["content"]
    assert ended.status == "completed"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("temperature", '{"city": '),
        ("temperature", '{"days": "x"}'),
        ("no_such_tool", "{}"),
        ("no\nsuch\ttool" * 50, "{}"),
    ],
)
async def test_a_call_that_cannot_be_made_is_recorded_with_the_reason(
    settings: Settings, name: str, arguments: str
) -> None:
    wrong = streamed(*call_deltas(name, arguments), finish="tool_calls")

    async with talking(settings, wrong, streamed(*GREETING), tools=[temperature]) as desk:
        ended, history = await desk.run()

    (start,), (end,) = facts(history, "tool_started"), facts(history, "tool_ended")
    assert start["name"][:2] == name[:2]
    assert end["error"]
    assert ended.status == "completed"


async def test_a_model_that_calls_for_ever_is_stopped(settings: Settings) -> None:
    async with talking(settings, LOOK_UP, tools=[temperature], max_requests=3) as desk:
        ended, history = await desk.run()

    assert ended.status == "failed"
    assert "3" in str(ended.error)
    assert len(facts(history, "usage_recorded")) == 3


# Approvals.


PAY = streamed(
    delta(content="I shall pay."),
    *call_deltas("pay", '{"to": "Ada", "amount": "12.00"}'),
    finish="tool_calls",
    usage=USAGE,
)


class Till:
    """A till, and what was paid out of it."""

    def __init__(self) -> None:
        self.paid: list[tuple[str, str]] = []

    async def pay(self, to: str, amount: str) -> str:
        """Pay somebody."""
        self.paid.append((to, amount))
        return "paid"


@asynccontextmanager
async def paying(settings: Settings, till: Till) -> AsyncIterator[Desk]:
    more: Json = {"tools": [till.pay], "needs_approval": ["pay"]}
    async with talking(settings, PAY, streamed(*GREETING), **more) as desk:
        yield desk


async def test_a_call_that_needs_approval_is_made_after_a_yes(settings: Settings) -> None:
    till = Till()

    async with paying(settings, till) as desk:
        id_ = await desk.ask()
        await desk.until(id_, "approval_requested")
        assert till.paid == []
        approval = await desk.ledger.executions.pending_approval(id_)
        await desk.ledger.executions.approve(id_, reason="fine")
        ended, history = await desk.end(id_), await desk.history(id_)

    assert approval.checkpoint_name == "tool:pay"
    assert approval.payload == {"tool": "pay", "arguments": {"to": "Ada", "amount": "12.00"}}
    assert (ended.status, till.paid) == ("completed", [("Ada", "12.00")])
    order = [event.type for event in history][2:]
    assert order.index("approved") < order.index("tool_started") < order.index("tool_ended")


async def test_a_call_is_made_with_what_a_human_made_of_it(settings: Settings) -> None:
    till = Till()

    async with paying(settings, till) as desk:
        id_ = await desk.ask()
        await desk.until(id_, "approval_requested")
        await desk.supersede(id_, {"tool": "pay", "arguments": {"to": "Ada", "amount": "2.00"}})
        await desk.ledger.executions.approve(id_)
        ended, history = await desk.end(id_), await desk.history(id_)

    assert (ended.status, till.paid) == ("completed", [("Ada", "2.00")])
    assert facts(history, "tool_started")[0]["input"] == {"to": "Ada", "amount": "2.00"}


async def test_an_edit_that_cannot_be_called_is_told_to_the_model(settings: Settings) -> None:
    till = Till()

    async with paying(settings, till) as desk:
        id_ = await desk.ask()
        await desk.until(id_, "approval_requested")
        await desk.supersede(id_, {"tool": "pay", "arguments": {"to": "Ada"}})
        await desk.ledger.executions.approve(id_)
        ended, history = await desk.end(id_), await desk.history(id_)

    assert (ended.status, till.paid) == ("completed", [])
    assert "amount" in facts(history, "tool_ended")[0]["error"]


async def test_who_may_decide_is_said_for_each_tool(settings: Settings) -> None:
    policy = {"required_role": "admin", "expires_in_s": 0.2}
    more: Json = {"tools": [Till().pay], "needs_approval": {"pay": policy}}

    async with talking(settings, PAY, streamed(*GREETING), **more) as desk:
        ended, history = await desk.run()

    (asked,) = facts(history, "approval_requested")
    assert asked["required_role"] == "admin"
    assert asked["expires_at"]
    assert ended.status == "completed"
    assert "denied" in desk.chat.requests[1]["messages"][-1]["content"]


async def test_each_call_is_decided_on_by_itself(settings: Settings) -> None:
    till = Till()
    both = streamed(
        *call_deltas("pay", '{"to": "Ada", "amount": "1"}', id_="a"),
        *call_deltas("pay", '{"to": "Bob", "amount": "2"}', id_="b", index=1),
        finish="tool_calls",
    )
    more: Json = {"tools": [till.pay], "needs_approval": ["pay"]}

    async with talking(settings, both, streamed(*GREETING), **more) as desk:
        id_ = await desk.ask()
        await desk.until(id_, "approval_requested")
        await desk.ledger.executions.deny(id_, reason="not Ada")
        await desk.until_waiting_for(id_, "Bob")
        await desk.ledger.executions.approve(id_)
        ended = await desk.end(id_)

    told = {each.get("tool_call_id"): each["content"] for each in desk.chat.requests[1]["messages"]}
    assert (ended.status, till.paid) == ("completed", [("Bob", "2")])
    assert "not Ada" in told["a"]
    assert told["b"] == "paid"


async def test_an_edit_that_is_another_call_is_not_made(settings: Settings) -> None:
    till = Till()

    async with paying(settings, till) as desk:
        id_ = await desk.ask()
        await desk.until(id_, "approval_requested")
        await desk.supersede(id_, {"tool": "rob"})
        await desk.ledger.executions.approve(id_)
        ended = await desk.end(id_)

    assert (ended.status, till.paid) == ("failed", [])
    assert ended.error == "ChatFailed: what was approved is no call of pay"


async def test_after_a_no_the_model_is_told_why_and_goes_on(settings: Settings) -> None:
    till = Till()

    async with paying(settings, till) as desk:
        id_ = await desk.ask()
        await desk.until(id_, "approval_requested")
        await desk.ledger.executions.deny(id_, reason="Ada was paid yesterday")
        ended, history = await desk.end(id_), await desk.history(id_)

    assert (ended.status, till.paid) == ("completed", [])
    assert "Ada was paid yesterday" in desk.chat.requests[1]["messages"][-1]["content"]
    assert facts(history, "tool_started") == []


async def test_a_yes_stands_when_another_worker_begins_again(tmp_path: Path) -> None:
    till, agents = Till(), AgentSet()
    answers = PAY, PAY, streamed(*GREETING)
    with fake_chat(*answers) as chat, live_server(settings_in(tmp_path)) as caller:
        known: Json = {"base_url": chat.url, "model": "fake-1"}
        chat_agent(agents, name="chat", tools=[till.pay], needs_approval=["pay"], **known)
        async with AsyncLedger(f"http://127.0.0.1:{caller.port}", spill=False) as ledger:
            desk = Desk(ledger, chat)
            first, second = (Worker(ledger, agents) for _ in range(2))
            lost = asyncio.create_task(first.run(grace_seconds=0))
            id_ = await desk.ask()
            await desk.until(id_, "approval_requested")
            first.stop()
            await lost
            await ledger.executions.approve(id_)

            running = asyncio.create_task(second.run(grace_seconds=0))
            ended, history = await desk.end(id_), await desk.history(id_)
            second.stop()
            await running

    assert (ended.status, till.paid) == ("completed", [("Ada", "12.00")])
    assert len(facts(history, "approval_requested")) == 1
    assert len(chat.requests) == 3


# What goes wrong.


BROKEN = streamed(*GREETING, usage=USAGE).body


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refused(401, f"Incorrect API key provided: {KEY}"), "answered 401: Incorrect API key"),
        (refused(429, "Rate limit reached"), "answered 429: Rate limit reached"),
        (refused(500, "Oh dear"), "answered 500: Oh dear"),
        (Answer(b"<html>Bad Gateway</html>", status=502), "answered 502"),
        (
            Answer(BROKEN[:700], end="cut"),
            "the connection to the chat endpoint failed: peer closed",
        ),
        (Answer(BROKEN[:700]), "the chat endpoint failed: Streamed response ended without"),
        (Answer(b'data: {"id": \n\n'), "the chat endpoint failed"),
        (Answer(b"data: [DONE]\n\n"), "gave no answer"),
        (Answer(b"<html>Welcome</html>"), "gave no answer"),
        (Answer(b'data: {"error": {"message": "Overloaded"}}\n\n'), "Overloaded"),
        (Answer(BROKEN[:700], end="hang"), "did not go on in time"),
    ],
)
async def test_an_endpoint_that_fails_fails_the_run_and_says_why(
    settings: Settings, answer: Answer, said: str
) -> None:
    patience = 0.5 if answer.end == "hang" else SECONDS
    async with talking(settings, answer, timeout=patience) as desk:
        ended, history = await desk.run()

    assert ended.status == "failed"
    assert str(ended.error).startswith("ChatFailed: the ")
    assert said in str(ended.error)
    assert KEY not in str([event.data for event in history])


async def test_an_endpoint_that_is_not_there_fails_the_run(settings: Settings) -> None:
    async with talking(settings, streamed(), base_url=f"http://127.0.0.1:{free_port()}/v1") as desk:
        ended, _ = await desk.run()

    assert str(ended.error).startswith("ChatFailed: the connection to the chat endpoint failed: ")


async def test_an_endpoint_that_is_busy_is_asked_again(settings: Settings) -> None:
    busy = refused(429, "Slow down", headers={"Retry-After": "0.01"})

    async with talking(settings, busy, streamed(*GREETING), max_retries=1) as desk:
        ended, _ = await desk.run()

    assert (ended.status, len(desk.chat.requests)) == ("completed", 2)


async def test_a_cancellation_stops_the_stream(settings: Settings) -> None:
    endless = streamed(*GREETING, end="hang")
    endless.body = endless.body[:900]

    async with talking(settings, endless) as desk:
        id_ = await desk.ask()
        await desk.until(id_, "thought")
        await desk.ledger.executions.cancel(id_)
        ended = await desk.end(id_)

        assert ended.status == "cancelled"
        assert await asyncio.to_thread(desk.chat.left.wait, SECONDS)


def bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_the_key_is_sent_to_the_endpoint_and_stored_nowhere(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture, kept_in: str
) -> None:
    if kept_in != "sqlite":
        pytest.skip("it looks into the files of the ledger, and a PostgreSQL keeps its own")
    caplog.set_level(logging.DEBUG)
    echo = refused(401, f"Incorrect API key provided: {KEY}")

    async with talking(settings, LOOK_UP, streamed(*GREETING), echo, tools=[temperature]) as desk:
        first, history = await desk.run()
        second, trouble = await desk.run()
        versions = await desk.ledger.agents.list_versions(first.agent_id)

    assert (first.status, second.status) == ("completed", "failed")
    assert set(desk.chat.keys) == {f"Bearer {KEY}"}
    told = [first, second, *history, *trouble, *versions.data]
    assert KEY not in str([dict(each) for each in told])
    stored = await asyncio.to_thread(bytes_in, tmp_path)
    assert b"fake-1" in stored
    assert KEY.encode() not in stored
    assert "chat/completions" in caplog.text
    assert KEY not in caplog.text


async def test_the_version_says_what_ran(settings: Settings) -> None:
    more: Json = {
        "tools": [temperature],
        "needs_approval": ["temperature"],
        "instructions": "Be brief.",
        "settings": {"temperature": 0.5, "extra_headers": {"X-Secret": "s"}},
        "config": {"max_attempts": 2},
        "labels": ["chat"],
    }

    async with talking(settings, streamed(*GREETING), **more) as desk:
        ended = await desk.end(await desk.ask())
        (version,) = (await desk.ledger.agents.list_versions(ended.agent_id)).data

    assert version.config == {
        "model": "fake-1",
        "provider": "127.0.0.1",
        "instructions": "Be brief.",
        "tools": ["temperature"],
        "needs_approval": {"temperature": {}},
        "settings": {"temperature": 0.5},
        "max_attempts": 2,
    }
    assert version.version.startswith("fake-1-")
    assert desk.chat.requests[0]["temperature"] == 0.5


def test_a_chat_agent_works_in_the_server_too(settings: Settings) -> None:
    agents = AgentSet()
    with fake_chat(LOOK_UP, streamed(*GREETING, usage=USAGE)) as chat:
        chat_agent(agents, name="chat", model="fake-1", base_url=chat.url, tools=[temperature])
        with live_server(settings.model_copy(update={"wait_seconds": 20}), agents) as caller:
            agent = caller.send("GET", "/agents")[1]["data"][0]["id"]
            execute = {"input": {"prompt": "How warm is it?"}}

            ended = caller.post(f"/agents/{agent}/execute", execute)

    assert (ended["status"], ended["output"]) == ("completed", {"answer": "Grüß Gott, 世界 👋🏽!"})
    assert ended["token_usage"]["cached_tokens"] == 200
    assert chat.keys == ["Bearer none"] * 2


WITHOUT = """
import sys
sys.modules["pydantic_ai"] = None
import ledger_client.work
try:
    import ledger_client.chat
except ImportError as error:
    sys.exit(str(error))
"""


def test_without_the_extra_it_says_what_to_install() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 1
    assert "pip install 'execution-ledger[llm]'" in ended.stderr
    assert "Traceback" not in ended.stderr
