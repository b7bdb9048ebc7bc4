"""A worker of the client package on a server of its own, over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from pydantic import BaseModel

from ledger_client import AsyncLedger, ContentEvent
from ledger_client.models import Execution
from ledger_client.request import write
from ledger_client.work import AgentSet, ChildFailed, Run, Worker
from ledger_client.work.worker import Figures
from server.settings import Settings
from tests.live_server import live_server
from tests.quick_settings import quick_settings
from tests.recording import HandClock
from tests.stores import database_in

Json = dict[str, Any]
SECONDS = 20.0


class Bench(NamedTuple):
    """A server, and a worker that runs agents for it."""

    ledger: AsyncLedger
    worker: Worker

    async def ask(self, agent: str = "scribe", **more: Any) -> str:
        asked = {"input": {}, "async_mode": True, **more}
        return str((await self.ledger.agents.execute(await self._agent(agent), **asked)).id)

    async def _agent(self, name: str) -> str:
        """The id of an agent, once its worker made it known."""
        async with asyncio.timeout(SECONDS):
            while True:
                page = await self.ledger.agents.list(name=name)
                if page.data:
                    return str(page.data[0].id)
                await asyncio.sleep(0.02)

    async def end(self, id_: str) -> Execution:
        return await self.ledger.executions.wait(id_, timeout=SECONDS, poll_seconds=0.02)

    async def until(self, id_: str, status: str) -> None:
        async with asyncio.timeout(SECONDS):
            while True:
                if (await self.ledger.executions.get(id_)).status == status:
                    return
                await asyncio.sleep(0.02)

    async def heartbeat(self) -> None:
        """Wait until the worker was heard of once more."""
        before = await self._heartbeats()
        async with asyncio.timeout(SECONDS):
            while True:
                if await self._heartbeats() > before:
                    return
                await asyncio.sleep(0.02)

    async def _heartbeats(self) -> float:
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"{self.ledger.options.base_url}/metrics")).text
        counts = [line for line in text.splitlines() if "/heartbeat" in line and "_count" in line]
        return sum(float(line.rpartition(" ")[2]) for line in counts)

    async def types(self, id_: str) -> list[str]:
        return [event.type for event in (await self.ledger.executions.events(id_)).data]

    async def facts(self, id_: str, type_: str) -> Json:
        events = (await self.ledger.executions.events(id_)).data
        return next(dict(event.data) for event in events if event.type == type_)


def settings_at(folder: Path, **more: Any) -> Settings:
    return quick_settings(database_in(folder), **({"lease_seconds": 1.5} | more))


@asynccontextmanager
async def working(
    settings: Settings, agents: AgentSet, clock: HandClock | None = None, **more: Any
) -> AsyncIterator[Bench]:
    """By the server's clock no time passes but what is let pass by hand: no lease runs out."""
    clocks = (clock or HandClock()).clocks
    with live_server(settings, clocks=clocks) as caller:
        async with AsyncLedger(f"http://127.0.0.1:{caller.port}", spill=False) as ledger:
            worker = Worker(ledger, agents, **more)
            running = asyncio.create_task(worker.run(grace_seconds=1))
            try:
                yield Bench(ledger, worker)
            finally:
                worker.stop()
                await running


def one_agent(function: Callable[[Run, Any], Any], **more: Any) -> AgentSet:
    agents = AgentSet()
    agents.agent(**{"name": "scribe", "version": "1", **more})(function)
    return agents


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_at(tmp_path)


async def say_everything(run: Run, input_: Json) -> Json:
    await run.thinking("hm")
    async with run.tool("look_up", {"n": 1}) as tool:
        tool.result({"found": True}, summary="found")
    await run.content("There.")
    await run.usage(model="m-1", prompt_tokens=3, completion_tokens=2, cost_usd="0.01")
    return {"echo": input_, "attempt": run.attempt}


async def test_what_an_agent_says_is_recorded_in_order(settings: Settings) -> None:
    async with working(settings, one_agent(say_everything)) as bench:
        id_ = await bench.ask(input={"q": 1})
        ended = await bench.end(id_)

        assert (ended.status, ended.output) == ("completed", {"echo": {"q": 1}, "attempt": 1})
        assert ended.cost_usd == "0.01"
        assert await bench.types(id_) == [
            "created",
            "started",
            "thought",
            "tool_started",
            "tool_ended",
            "content_streamed",
            "usage_recorded",
            "completed",
        ]


async def test_many_frames_keep_their_order(settings: Settings) -> None:
    async def count(run: Run, _: Json) -> Json:
        for number in range(1_000):
            await run.content(str(number))
        return {}

    async with working(settings, one_agent(count)) as bench:
        id_ = await bench.ask()
        await bench.end(id_)
        texts = [
            event.content
            async for event in bench.ledger.executions.stream(id_)
            if isinstance(event, ContentEvent)
        ]

    assert texts == [str(number) for number in range(1_000)]


class Order(BaseModel):
    number: int


class Receipt(BaseModel):
    total: int


async def test_schemas_are_those_of_the_annotations(settings: Settings) -> None:
    async def bill(run: Run, order: Order) -> Receipt:
        del run
        return Receipt(total=2 * order.number)

    async with working(settings, one_agent(bill)) as bench:
        id_ = await bench.ask(input={"number": 21})

        assert (await bench.end(id_)).output == {"total": 42}
        agent = (await bench.ledger.agents.list(name="scribe")).data[0]
        version = (await bench.ledger.agents.list_versions(agent.id)).data[0]
        assert version.input_schema == Order.model_json_schema()
        assert version.output_schema == Receipt.model_json_schema(mode="serialization")


async def test_an_exception_fails_the_run_and_the_trace_is_for_the_audit(
    settings: Settings,
) -> None:
    async def stumble(run: Run, _: Json) -> Json:
        await run.content("so far")
        message = "no such order"
        raise LookupError(message)

    async with working(settings, one_agent(stumble)) as bench:
        id_ = await bench.ask()
        ended = await bench.end(id_)
        facts = await bench.facts(id_, "failed")

    assert (ended.status, ended.error) == ("failed", "LookupError: no such order")
    assert facts["error_type"] == "LookupError"
    assert "stumble" in facts["trace"]


@pytest.mark.parametrize("result", ["text", {"n": float("nan")}, {"o": object()}])
async def test_a_result_that_is_no_output_fails_the_run(settings: Settings, result: Any) -> None:
    async def answer(run: Run, _: Json) -> Json:
        del run
        return result  # type: ignore[no-any-return] # the point of the test

    async with working(settings, one_agent(answer)) as bench:
        assert (await bench.end(await bench.ask())).status == "failed"


async def pay(run: Run, _: Json) -> Json:
    decision = await run.approval("pay", {"pay": "12.00"})
    await run.content("paid")
    return {"by": decision.by, "reason": decision.reason, "attempt": run.attempt}


async def test_an_agent_waits_for_a_human_without_a_slot(settings: Settings) -> None:
    async with working(settings, one_agent(pay), slots=1) as bench:
        first, second = await bench.ask(), await bench.ask()
        await bench.until(first, "awaiting_approval")
        await bench.until(second, "awaiting_approval")
        assert bench.worker.figures.waiting == 2

        await bench.ledger.executions.approve(first, reason="fine")

        ended = await bench.end(first)
        assert ended.output == {"by": "loopback", "reason": "fine", "attempt": 1}
        await bench.ledger.executions.deny(second)
        assert (await bench.end(second)).status == "rejected"


async def test_a_worker_takes_up_no_more_than_it_has_slots_for(settings: Settings) -> None:
    may_end = asyncio.Event()

    async def wait(run: Run, _: Json) -> Json:
        await may_end.wait()
        return {"attempt": run.attempt}

    async with working(settings, one_agent(wait), slots=1) as bench:
        first, second = await bench.ask(), await bench.ask()
        await bench.until(first, "running")
        await asyncio.sleep(0.2)
        assert (await bench.ledger.executions.get(second)).status == "pending"

        may_end.set()

        assert (await bench.end(second)).status == "completed"


async def test_an_agent_acts_on_what_a_human_made_of_its_request(settings: Settings) -> None:
    async def send(run: Run, _: Json) -> Json:
        decision = await run.approval("send", {"to": "ada"}, required_role="operator")
        return {"to": decision.payload["to"], "asked": decision.asked_digest}

    async with working(settings, one_agent(send)) as bench:
        id_ = await bench.ask()
        await bench.until(id_, "awaiting_approval")
        approval = await bench.ledger.executions.pending_approval(id_)
        edit = write(
            "POST", f"/approvals/{approval.id}/supersede", dict, {"payload": {"to": "bob"}}
        )
        await bench.ledger.transport.run(edit)
        await bench.ledger.executions.approve(id_)
        ended = await bench.end(id_)

    assert ended.output == {"to": "bob", "asked": approval.payload_digest}


async def test_an_agent_that_asked_to_goes_on_after_a_no(settings: Settings) -> None:
    async def ask(run: Run, _: Json) -> Json:
        decision = await run.approval("send", {"to": "ada"}, on_reject="resume", expires_in_s=600)
        return {"approved": decision.approved, "reason": decision.reason}

    async with working(settings, one_agent(ask)) as bench:
        id_ = await bench.ask()
        await bench.until(id_, "awaiting_approval")
        await bench.ledger.executions.deny(id_, reason="not now")
        ended = await bench.end(id_)

    assert ended.output == {"approved": False, "reason": "not now"}


async def test_a_cancellation_reaches_the_agent_at_once(settings: Settings) -> None:
    seen: list[bool] = []

    async def wait_for_ever(run: Run, _: Json) -> Json:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append(run.cancelled)
        return {}

    async with working(settings, one_agent(wait_for_ever)) as bench:
        id_ = await bench.ask()
        await bench.until(id_, "running")
        await bench.ledger.executions.cancel(id_, reason="too dear")
        ended = await bench.end(id_)

        assert (ended.status, seen) == ("cancelled", [True])
        assert (await bench.types(id_))[-2:] == ["cancellation_requested", "cancelled"]


async def test_long_work_keeps_its_lease(settings: Settings) -> None:
    done, clock = asyncio.Event(), HandClock()

    async def wait(run: Run, _: Json) -> Json:
        await done.wait()
        return {"attempt": run.attempt}

    async with working(settings, one_agent(wait), clock) as bench:
        id_ = await bench.ask()
        await bench.until(id_, "running")
        for _ in range(4):
            await bench.heartbeat()
            clock.advance(1)
            await asyncio.sleep(0.3)  # the server looks at its clock meanwhile
        done.set()
        assert (await bench.end(id_)).output == {"attempt": 1}


async def test_a_child_takes_no_slot_of_its_parent(settings: Settings) -> None:
    agents = AgentSet()

    @agents.agent(name="parent", version="1")
    async def parent(run: Run, input_: Json) -> Json:
        return {"child": await run.child("child", {"n": input_["n"]}, metadata={"kin": "yes"})}

    @agents.agent(name="child", version="1")
    async def child(run: Run, input_: Json) -> Json:
        del run
        return {"n": 2 * input_["n"]}

    async with working(settings, agents, slots=1) as bench:
        id_ = await bench.ask("parent", input={"n": 21})
        ended = await bench.end(id_)
        tree = await bench.ledger.executions.tree(id_)

    assert ended.output == {"child": {"n": 42}}
    assert [each["agent_name"] for each in tree["children"]] == ["child"]


async def test_a_child_that_fails_is_told_to_its_parent(settings: Settings) -> None:
    agents = AgentSet()

    @agents.agent(name="parent", version="1")
    async def parent(run: Run, _: Json) -> Json:
        try:
            await run.child("child", {})
        except ChildFailed as failure:
            return {"child": failure.execution.status}
        return {}

    @agents.agent(name="child", version="1")
    async def child(run: Run, _: Json) -> Json:
        raise RuntimeError(run.execution_id)

    async with working(settings, agents) as bench:
        assert (await bench.end(await bench.ask("parent"))).output == {"child": "failed"}


async def test_a_worker_that_stops_gives_back_what_it_does_not_finish(settings: Settings) -> None:
    async def linger(run: Run, _: Json) -> Json:
        if run.attempt == 1:
            await asyncio.Event().wait()
        return {"attempt": run.attempt}

    with live_server(settings) as caller:
        async with AsyncLedger(f"http://127.0.0.1:{caller.port}", spill=False) as ledger:
            first, second = (Worker(ledger, one_agent(linger)) for _ in range(2))
            running = asyncio.create_task(first.run(grace_seconds=0.1))
            bench = Bench(ledger, first)
            id_ = await bench.ask()
            await bench.until(id_, "running")
            first.stop()
            await running
            assert (await ledger.executions.get(id_)).status == "pending"

            running = asyncio.create_task(second.run())
            assert (await bench.end(id_)).output == {"attempt": 2}
            second.stop()
            await running


async def test_a_worker_waits_for_a_server_that_is_away(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    with live_server(settings) as caller:
        port = caller.port
        caller.post("/workers/register", {"agents": [{"name": "scribe", "version": "1"}]})
        agent = caller.send("GET", "/agents")[1]["data"][0]["id"]
        execute = {"input": {}, "async_mode": True}
        id_ = caller.post(f"/agents/{agent}/execute", execute)["id"]
    troubles: list[str | None] = []
    troubled = asyncio.Event()

    def note(now: Figures) -> None:
        troubles.append(now.trouble)
        troubled.set()

    async with AsyncLedger(f"http://127.0.0.1:{port}", spill=False, max_retries=0) as ledger:
        worker = Worker(ledger, one_agent(say_everything), on_change=note)
        running = asyncio.create_task(worker.run())
        async with asyncio.timeout(SECONDS):
            await troubled.wait()

        with live_server(settings, port=port):
            ended = await Bench(ledger, worker).end(id_)
            worker.stop()
            await running

    assert ended.status == "completed"
    assert troubles[0] is not None
    assert troubles[-1] is None


async def test_a_worker_that_never_reached_its_server_can_be_stopped() -> None:
    async with AsyncLedger("http://127.0.0.1:9", spill=False, max_retries=0) as ledger:
        worker = Worker(ledger, one_agent(say_everything))
        running = asyncio.create_task(worker.run())
        await asyncio.sleep(0.1)

        worker.stop()

        async with asyncio.timeout(SECONDS):
            await running


async def test_a_parked_run_whose_worker_stopped_goes_to_another_after_the_answer(
    settings: Settings,
) -> None:
    with live_server(settings) as caller:
        async with AsyncLedger(f"http://127.0.0.1:{caller.port}", spill=False) as ledger:
            first, second = (Worker(ledger, one_agent(pay)) for _ in range(2))
            running = asyncio.create_task(first.run(grace_seconds=0.1))
            bench = Bench(ledger, first)
            id_ = await bench.ask()
            await bench.until(id_, "awaiting_approval")
            first.stop()
            await running

            running = asyncio.create_task(second.run())
            await ledger.executions.approve(id_, reason="fine")
            ended = await bench.end(id_)
            second.stop()
            await running

    assert ended.output == {"by": "loopback", "reason": "fine", "attempt": 2}


async def test_a_worker_that_stops_gives_back_what_it_had_no_slot_for(settings: Settings) -> None:
    async def hold(run: Run, _: Json) -> Json:
        await run.child("absent", {})
        return {}

    agents = one_agent(hold)

    @agents.agent(name="absent", version="1")
    async def linger(run: Run, _: Json) -> Json:
        await run.content("on")
        await asyncio.Event().wait()
        return {}

    with live_server(settings) as caller:
        async with AsyncLedger(f"http://127.0.0.1:{caller.port}", spill=False) as ledger:
            worker = Worker(ledger, agents, slots=1)
            running = asyncio.create_task(worker.run(grace_seconds=0.1))
            bench = Bench(ledger, worker)
            parent = await bench.ask()
            async with asyncio.timeout(SECONDS):
                while True:
                    found = (await ledger.executions.list(parent_id=parent, status="running")).data
                    if found:
                        break
                    await asyncio.sleep(0.02)
            worker.stop()
            await running
            stand = {each.id: each.status for each in (await ledger.executions.list()).data}

    assert stand == {parent: "pending", found[0].id: "pending"}


async def test_an_agent_is_stopped_at_the_usage_that_crosses_its_budget(
    settings: Settings,
) -> None:
    stopped = asyncio.Event()

    async def spend_for_ever(run: Run, _: Json) -> Json:
        try:
            while True:
                await run.usage(model="m", prompt_tokens=10)
                await asyncio.sleep(0.001)
        finally:
            stopped.set()

    agents = one_agent(spend_for_ever, config={"run_budget": {"max_total_tokens": 25}})
    async with working(settings, agents) as bench:
        id_ = await bench.ask()
        ended = await bench.end(id_)
        await asyncio.wait_for(stopped.wait(), SECONDS)
        types = await bench.types(id_)

    assert (ended.status, ended.error_code) == ("failed", "budget_exceeded")
    assert types[2:] == ["usage_recorded"] * 3 + ["failed"]


async def test_an_agent_waits_for_a_human_before_its_budget_is_spent(settings: Settings) -> None:
    async def spend_three_times(run: Run, _: Json) -> Json:
        for step in ("one", "two", "three"):
            await run.usage(model="m", cost_usd="0.60")
            await run.content(step)
        return {}

    asking = {"run_budget": {"max_cost": 1, "ask_at": "0.5", "raise_by": 2}}
    async with working(settings, one_agent(spend_three_times, config=asking)) as bench:
        id_ = await bench.ask()
        await bench.until(id_, "awaiting_approval")
        payload = (await bench.facts(id_, "approval_requested"))["payload"]
        await bench.ledger.executions.approve(id_)
        ended = await bench.end(id_)
        types = await bench.types(id_)

    assert (payload["budget_of"], payload["raise_by"]) == (id_, "2")
    assert ended.status == "completed"
    assert types.count("usage_recorded") == 3
    assert types.count("approval_requested") == 1
