"""An agent in the server's process: what becomes of what it says, and of it, and of its worker."""

import asyncio
import contextlib
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from ledger import commands as c
from ledger.digest import digest_of
from ledger.errors import StoreFailed
from ledger.event import Actor
from ledger.orders import Caller
from ledger_client import BadRequest
from ledger_client.work import AgentSet, Run, attempt
from server.frames import frames_of
from server.settings import Settings
from tests.integration.workers import Bench, Signal, one_agent, settings_at, working
from tests.stores import execute_in

Json = dict[str, Any]

IN_PROCESS = Caller("default", Actor(type="worker", id="embedded-1", auth="in_process"))
PAYLOAD = {"pay": "12.00"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_at(tmp_path)


async def echo(run: Run, input_: Json) -> Json:
    await run.content("done")
    return {"echo": input_, "attempt": run.attempt, "tier": run.metadata.get("tier")}


async def pay(run: Run, _: Json) -> Json:
    decision = await run.approval("pay", PAYLOAD)
    await run.content("paid")
    return {"by": decision.by, "reason": decision.reason, "attempt": run.attempt}


async def wait_for_ever(run: Run, _: Json) -> Json:
    await run.thinking("waiting")
    await asyncio.Event().wait()
    return {}


# What an agent says is recorded.


async def test_an_agent_gets_input_and_metadata_and_its_attempt(settings: Settings) -> None:
    async with working(settings, one_agent(echo)) as bench:
        id_ = await bench.ask("scribe", input={"q": 1}, metadata={"tier": "gold"})
        await bench.until(id_, "completed")

        output = (await bench.facts(id_, "completed"))["output"]
        assert output == {"echo": {"q": 1}, "attempt": 1, "tier": "gold"}


async def test_an_agent_gets_its_input_as_the_model_that_it_names(settings: Settings) -> None:
    class Guest(BaseModel):
        name: str

    agents = AgentSet()

    async def greet(_: Run, guest: Any) -> Guest:
        return Guest(name=guest.name.upper())

    greet.__annotations__["guest"] = Guest
    agents.agent(name="scribe", version="1")(greet)
    async with working(settings, agents) as bench:
        id_ = await bench.ask("scribe", input={"name": "ada"})
        await bench.until(id_, "completed")

        assert (await bench.facts(id_, "completed"))["output"] == {"name": "ADA"}


async def test_frames_reach_a_reader_while_the_agent_is_at_work(settings: Settings) -> None:
    async with working(settings, one_agent(wait_for_ever)) as bench:
        id_ = await bench.ask("scribe")

        await bench.until(id_, "thought")


async def test_a_run_that_a_caller_records_is_left_alone(settings: Settings) -> None:
    async with working(settings, one_agent(echo)) as bench:
        recorded = c.CreateExecution(mode="record", agent_name="scribe", input={})
        theirs = (await bench.give(recorded)).id
        ours = await bench.ask("scribe")
        await bench.until(ours, "completed")

        assert await bench.types(theirs) == ["created"]


# Endings.


async def test_an_error_fails_the_run_and_its_trace_is_for_the_audit_only(
    settings: Settings,
) -> None:
    async def fail(run: Run, _: Json) -> Json:
        await run.thinking("hm")
        message = "no such customer"
        raise LookupError(message)

    async with working(settings, one_agent(fail)) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "failed")

        failed = await bench.facts(id_, "failed")
        assert (failed["error"], failed["error_code"]) == ("LookupError: no such customer", "error")
        assert "Traceback" in failed["trace"]
        assert b"Traceback" not in frames_of(await bench.events(id_), 0).bytes
        assert await bench.types(id_) == ["created", "started", "thought", "failed"]


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ([1], "TypeError: the agent returned list; an output is a dict"),
        (None, "TypeError: the agent returned NoneType; an output is a dict"),
        ({"set": {1}}, "TypeError"),
        ({"much": "x" * 5_000_000}, "PayloadTooLarge"),
    ],
    ids=["a list", "nothing", "not JSON", "too much"],
)
async def test_an_output_that_cannot_be_recorded_fails_the_run(
    settings: Settings, result: Any, said: str
) -> None:
    async def odd(_run: Run, _: Json) -> Any:
        return result

    async with working(settings, one_agent(odd)) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "failed")

        assert (await bench.facts(id_, "failed"))["error"].startswith(said)


async def test_an_agent_that_exits_fails_its_run_and_not_the_server(settings: Settings) -> None:
    async def leave(_run: Run, input_: Json) -> Json:
        if input_.get("exit"):
            sys.exit(3)
        return {}

    async with working(settings, one_agent(leave)) as bench:
        bad = await bench.ask("scribe", input={"exit": True})
        good = await bench.ask("scribe")
        await bench.until(bad, "failed")
        await bench.until(good, "completed")

        assert "tried to exit" in (await bench.facts(bad, "failed"))["error"]


async def test_an_error_in_a_tool_is_the_tools_and_goes_on_to_the_agent(
    settings: Settings,
) -> None:
    async def careful(run: Run, _: Json) -> Json:
        try:
            async with run.tool("count"):
                int("x")
        except ValueError:
            return {"handled": True}
        return {}

    async with working(settings, one_agent(careful)) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "completed")

        assert (await bench.facts(id_, "tool_ended"))["error"].startswith("invalid literal")
        assert (await bench.facts(id_, "completed"))["output"] == {"handled": True}


async def test_counts_that_contradict_each_other_are_the_agents_error(settings: Settings) -> None:
    async def miscount(run: Run, _: Json) -> Json:
        await run.thinking("counting")
        await run.usage(model="m-1", prompt_tokens=1, cached_tokens=5)
        return {}

    async with working(settings, one_agent(miscount)) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "failed")

        assert await bench.types(id_) == ["created", "started", "thought", "failed"]
        assert "invalid_usage" in (await bench.facts(id_, "failed"))["error"]


async def test_a_version_may_hold_the_result_back_for_a_human(settings: Settings) -> None:
    agents = one_agent(echo, config={"approval_required": True, "checkpoint_name": "send"})
    async with working(settings, agents) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "approval_requested")
        await bench.give(c.Decide(id_, approve=True))
        await bench.until(id_, "completed")

        types = await bench.types(id_)
        assert types[-3:] == ["approval_requested", "approved", "completed"]
        assert types.count("started") == 1


# Approvals.


async def test_an_approved_run_goes_on_in_the_same_attempt(settings: Settings) -> None:
    async with working(settings, one_agent(pay)) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "approval_requested")
        await bench.give(c.Decide(id_, approve=True, reason="fine"))
        await bench.until(id_, "completed")

        output = (await bench.facts(id_, "completed"))["output"]
        assert output == {"by": "ada", "reason": "fine", "attempt": 1}
        assert await bench.types(id_) == [
            "created",
            "started",
            "approval_requested",
            "approved",
            "started",
            "content_streamed",
            "completed",
        ]


async def test_a_rejected_run_is_over_and_its_agent_stopped(settings: Settings) -> None:
    stopped = Signal()

    async def careful(run: Run, _: Json) -> Json:
        try:
            await run.approval("pay", PAYLOAD)
        finally:
            stopped.set()
        return {}

    async with working(settings, one_agent(careful)) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "approval_requested")
        await bench.give(c.Decide(id_, approve=False, reason="no"))
        await stopped.wait()

        assert await bench.types(id_) == ["created", "started", "approval_requested", "rejected"]


async def test_several_approvals_follow_one_another(settings: Settings) -> None:
    async def careful(run: Run, _: Json) -> Json:
        first = await run.approval("pay", PAYLOAD)
        second = await run.approval("pay", {"pay": "99.00"})
        return {"reasons": [first.reason, second.reason]}

    async with working(settings, one_agent(careful)) as bench:
        id_ = await bench.ask("scribe")
        for reason in ("one", "two"):
            await bench.until(id_, "approval_requested")
            await bench.give(c.Decide(id_, approve=True, reason=reason))
        await bench.until(id_, "completed")

        assert (await bench.facts(id_, "completed"))["output"] == {"reasons": ["one", "two"]}


async def test_a_run_that_waits_for_a_human_takes_no_slot(tmp_path: Path) -> None:
    async def either(run: Run, input_: Json) -> Json:
        return await (pay if input_ else echo)(run, input_)

    async with working(settings_at(tmp_path, worker_slots=1), one_agent(either)) as bench:
        parked = await bench.ask("scribe", input={"pay": True})
        await bench.until(parked, "approval_requested")
        other = await bench.ask("scribe")
        await bench.until(other, "completed")


async def test_no_more_runs_than_slots_are_at_work(tmp_path: Path) -> None:
    at_once, most, full, go = 0, 0, Signal(), Signal()

    async def count(_run: Run, _: Json) -> Json:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if at_once > 1:
            full.set()
        await go.wait()
        at_once -= 1
        return {}

    async with working(settings_at(tmp_path, worker_slots=2), one_agent(count)) as bench:
        ids = [await bench.ask("scribe") for _ in range(6)]
        await full.wait()
        go.set()
        for id_ in ids:
            await bench.until(id_, "completed")

        assert most == 2


# Cancellation.


async def test_a_cancelled_agent_is_told_and_the_worker_confirms(settings: Settings) -> None:
    seen: list[bool] = []

    async def careful(run: Run, _: Json) -> Json:
        try:
            await run.thinking("waiting")
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append(run.cancelled)
            await run.content("cleaned up")
            raise
        return {}

    async with working(settings, one_agent(careful)) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "thought")
        await bench.give(c.Cancel(id_, "too slow"))
        await bench.until(id_, "cancelled")

        assert seen == [True]
        types = await bench.types(id_)
        assert types[-3:] == ["cancellation_requested", "content_streamed", "cancelled"]


async def test_a_parked_run_can_be_cancelled(settings: Settings) -> None:
    stopped = Signal()

    async def careful(run: Run, _: Json) -> Json:
        try:
            return await pay(run, {})
        finally:
            stopped.set()

    async with working(settings, one_agent(careful)) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "approval_requested")
        await bench.give(c.Cancel(id_))
        await stopped.wait()

        assert (await bench.types(id_))[-1] == "cancelled"


async def test_an_agent_that_finishes_all_the_same_completes(settings: Settings) -> None:
    async def stubborn(run: Run, _: Json) -> Json:
        try:
            await run.thinking("waiting")
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return {"finished": True}
        return {}

    async with working(settings, one_agent(stubborn)) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "thought")
        await bench.give(c.Cancel(id_))
        await bench.until(id_, "completed")

        assert (await bench.types(id_))[-2:] == ["cancellation_requested", "completed"]


# Lost workers, restarts.


async def left_behind(settings: Settings, agents: AgentSet, *, starts: int = 1) -> str:
    """An execution whose in-process worker died in the middle, so many times."""
    async with working(settings, agents) as bench:
        await bench.stop()
        id_ = await bench.ask("scribe")
        for number in range(starts):
            if number:
                lost = c.LoseWorker(id_, most_attempts=99, lease=f"lease-{number - 1}")
                await bench.give(lost)
            claim = c.Claim(id_, "embedded-1", f"lease-{number}")
            await bench.services.record(claim, IN_PROCESS)
    return id_


async def test_a_run_of_a_dead_worker_is_taken_up_again(settings: Settings) -> None:
    agents = one_agent(echo)
    id_ = await left_behind(settings, agents)

    async with working(settings, agents) as bench:
        await bench.until(id_, "completed")

        assert (await bench.facts(id_, "completed"))["output"]["attempt"] == 2
        assert (await bench.types(id_))[:4] == ["created", "started", "worker_lost", "started"]


async def test_a_server_without_agents_takes_back_what_a_dead_process_held(
    settings: Settings,
) -> None:
    id_ = await left_behind(settings, one_agent(echo))

    async with working(settings, AgentSet()) as bench:
        await bench.until(id_, "worker_lost")


async def test_a_run_that_lost_its_worker_too_often_fails(settings: Settings) -> None:
    agents = one_agent(echo)
    id_ = await left_behind(settings, agents, starts=3)

    async with working(settings, agents) as bench:
        await bench.until(id_, "failed")

        assert (await bench.facts(id_, "failed"))["error_code"] == "worker_lost"


async def test_the_worker_acts_under_its_own_name_and_the_server_takes_back(
    settings: Settings,
) -> None:
    agents = one_agent(echo)
    id_ = await left_behind(settings, agents)

    async with working(settings, agents) as bench:
        await bench.until(id_, "completed")

        acted = [event.envelope["actor"] for event in await bench.events(id_)]
        assert bench.embedded is not None
        name = bench.embedded.name
        worker = {"type": "worker", "id": name, "auth": "in_process"}
        assert acted[3:] == [worker] * 3
        assert acted[2] == {"type": "system", "id": "dispatch", "auth": "in_process"}
        assert (await bench.events(id_))[3].facts["worker"] == name


async def test_a_run_of_a_worker_elsewhere_is_left_to_it(settings: Settings) -> None:
    agents = one_agent(echo)
    async with working(settings, agents) as bench:
        await bench.stop()
        theirs = await bench.ask("scribe")
        await bench.give(c.Start(theirs, "remote-1"))

    async with working(settings, agents) as bench:
        ours = await bench.ask("scribe")
        await bench.until(ours, "completed")

        assert await bench.types(theirs) == ["created", "started"]


async def test_what_waited_before_the_start_is_taken_up(settings: Settings) -> None:
    agents = one_agent(echo)
    async with working(settings, agents) as bench:
        await bench.stop()
        ids = [await bench.ask("scribe") for _ in range(3)]

    async with working(settings, agents) as bench:
        for id_ in ids:
            await bench.until(id_, "completed")


async def test_a_human_is_not_asked_twice_after_a_restart(settings: Settings) -> None:
    agents = one_agent(pay)
    async with working(settings, agents) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "approval_requested")
        await bench.stop()
        await bench.give(c.Decide(id_, approve=True, reason="fine"))

    async with working(settings, agents) as bench:
        await bench.until(id_, "completed")

        output = (await bench.facts(id_, "completed"))["output"]
        assert output == {"by": "ada", "reason": "fine", "attempt": 2}
        assert (await bench.types(id_)).count("approval_requested") == 1


async def test_a_human_is_asked_again_about_something_else(settings: Settings) -> None:
    async with working(settings, one_agent(pay)) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "approval_requested")
        await bench.stop()
        await bench.give(c.Decide(id_, approve=True))

    async def pay_more(run: Run, _: Json) -> Json:
        await run.approval("pay", {"pay": "9999.00"})
        return {}

    async with working(settings, one_agent(pay_more)) as bench:
        await bench.until(id_, "approval_requested")

        asked_for = [e for e in await bench.events(id_) if e.type == "approval_requested"]
        digests = [event.facts["payload_digest"] for event in asked_for]
        assert digests == [digest_of(PAYLOAD), digest_of({"pay": "9999.00"})]


async def test_a_clean_stop_hands_back_what_is_not_done(settings: Settings) -> None:
    async with working(settings, one_agent(wait_for_ever)) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "thought")
        await bench.stop()
        assert (await bench.types(id_))[-1] == "worker_lost"

    async with working(settings, one_agent(echo)) as bench:
        await bench.until(id_, "completed")

        assert (await bench.facts(id_, "completed"))["output"]["attempt"] == 2


async def test_a_clean_stop_never_uses_up_the_last_attempt(tmp_path: Path) -> None:
    settings = settings_at(tmp_path, most_attempts=1)
    async with working(settings, one_agent(wait_for_ever)) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "thought")
        await bench.stop()

        assert (await bench.types(id_))[-1] == "worker_lost"


async def test_a_clean_stop_lets_what_is_nearly_done_finish(tmp_path: Path) -> None:
    go = Signal()

    async def slow(run: Run, _: Json) -> Json:
        await run.thinking("waiting")
        await go.wait()
        return {}

    async with working(settings_at(tmp_path, shutdown_seconds=20), one_agent(slow)) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "thought")
        stopping = asyncio.create_task(bench.stop())
        await bench.answered("claim", 2)
        late = await bench.ask("scribe")
        go.set()
        await stopping

        assert (await bench.types(id_))[-1] == "completed"
        assert await bench.types(late) == ["created"]


async def test_a_run_taken_from_its_worker_is_begun_again(settings: Settings) -> None:
    agents = AgentSet()
    attempts: list[int] = []

    @agents.agent(name="scribe", version="1")
    async def scribe(run: Run, _: Json) -> Json:
        attempts.append(run.attempt)
        if run.attempt == 1:
            return await wait_for_ever(run, {})
        return {}

    async with working(settings, agents) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "thought")
        await bench.give(c.LoseWorker(id_, most_attempts=3, lease=await bench.lease(id_)))
        await bench.until(id_, "completed")

        assert attempts == [1, 2]


async def test_an_agent_that_will_not_stop_is_left_behind(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "_LAST_WORDS_SECONDS", 0.01)
    free = Signal()

    async def deaf(run: Run, _: Json) -> Json:
        await run.thinking("busy")
        while not free.is_set:
            with contextlib.suppress(asyncio.CancelledError):
                await free.wait()
        return {}

    async with working(settings, one_agent(deaf)) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "thought")
        await bench.stop()
        free.set()

        assert (await bench.types(id_))[-1] == "worker_lost"


async def test_an_agent_that_blocks_does_not_stop_the_server(settings: Settings) -> None:
    begun, go = Signal(), threading.Event()

    async def block(_run: Run, _: Json) -> Json:
        begun.set()
        return {"freed": go.wait(20)}

    async with working(settings, one_agent(block)) as bench:
        id_ = await bench.ask("scribe")
        await begun.wait()
        other = await bench.ask("scribe")
        assert "completed" not in await bench.types(other)
        go.set()
        await bench.until(id_, "completed")

        assert (await bench.facts(id_, "completed"))["output"] == {"freed": True}
        await bench.until(other, "completed")


async def test_what_is_said_before_something_that_is_refused_is_recorded(
    settings: Settings,
) -> None:
    async def odd(run: Run, _: Json) -> Json:
        for said in ("one", "two", "x" * 5_000_000, "three"):
            await run.content(said)
        return {}

    async with working(settings, one_agent(odd)) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "failed")

        said = [e.facts["content"] for e in await bench.events(id_) if e.type == "content_streamed"]
        assert said == ["one", "two"]
        assert (await bench.facts(id_, "failed"))["error"].startswith("PayloadTooLarge")


async def test_an_agent_that_cannot_be_registered_keeps_the_server_from_starting(
    settings: Settings,
) -> None:
    agents = one_agent(echo, config={"max_attempts": "many"})

    with pytest.raises(BadRequest, match="max_attempts"):
        async with working(settings, agents):
            pass


async def test_an_agent_that_is_archived_is_not_worked_on_and_the_others_are(
    settings: Settings,
) -> None:
    agents = one_agent(echo)
    agents.agent(name="clerk", version="1")(echo)
    async with working(settings, agents) as bench:
        first = await bench.ask("clerk")
        await bench.until(first, "completed")
        agent_id = (await bench.facts(first, "created"))["agent_id"]
        await bench.give(c.ArchiveAgent(agent_id))
        for _ in range(2):
            id_ = await bench.ask("scribe")
            await bench.until(id_, "completed")


async def test_frames_wait_for_a_store_that_does_not_work_for_a_while(settings: Settings) -> None:
    go, said = Signal(), Signal()

    async def talk(run: Run, _: Json) -> Json:
        await run.thinking("before")
        await go.wait()
        await run.content("during")
        said.set()
        return {"said": True}

    async with working(settings, one_agent(talk)) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "thought")
        execute_in(settings.database, "ALTER TABLE stored_events RENAME TO elsewhere")
        go.set()
        await said.wait()
        with pytest.raises(StoreFailed):
            await bench.give(c.Annotate(id_, {"too": "late"}))
        execute_in(settings.database, "ALTER TABLE elsewhere RENAME TO stored_events")
        await bench.until(id_, "completed")

        assert await bench.types(id_) == [
            "created",
            "started",
            "thought",
            "content_streamed",
            "completed",
        ]


async def test_a_run_that_somebody_else_ended_is_not_ended_again(settings: Settings) -> None:
    stopped = Signal()

    async def careful(run: Run, _: Json) -> Json:
        try:
            return await wait_for_ever(run, {})
        finally:
            await run.content("too late")
            stopped.set()

    async with working(settings, one_agent(careful)) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "thought")
        await bench.give(c.Fail(id_, "enough", lease=await bench.lease(id_)))
        await stopped.wait()
        await bench.stop()

        assert (await bench.types(id_))[-2:] == ["thought", "failed"]


async def test_a_changed_agent_with_its_old_label_is_warned_about(settings: Settings) -> None:
    async with working(settings, one_agent(echo)):
        pass

    with capture_logs() as lines:
        async with working(settings, one_agent(echo, config={"changed": True})) as bench:
            assert await versions(bench, "scribe") == {"1": True}

    assert any("label did not" in line["event"] for line in lines)


async def test_without_agents_there_is_nothing_to_start(settings: Settings) -> None:
    async with working(settings, AgentSet()) as bench:
        id_ = await bench.ask("scribe")

        assert await bench.types(id_) == ["created"]


# Registration.


async def versions(bench: Bench, agent: str) -> Mapping[str, bool]:
    """The versions of an agent by label, and which is in force."""
    taken = await bench.give(c.CreateExecution(mode="record", agent_name=agent, input={}))
    created = (await bench.events(taken.id))[0].facts
    services = bench.services
    facts = await services.read(lambda: services.ledger.read_facts(created["agent_id"]))
    added = [fact.facts for fact in facts if fact.type == "version_added"]
    current = created["agent_version_id"]
    return {each["version"]: each["version_id"] == current for each in added}


async def test_an_agent_is_registered_once(settings: Settings) -> None:
    async with working(settings, one_agent(echo)):
        pass

    async with working(settings, one_agent(echo)) as bench:
        assert await versions(bench, "scribe") == {"1": True}


async def test_a_new_label_is_a_new_version_in_force(settings: Settings) -> None:
    async with working(settings, one_agent(echo)):
        pass

    async with working(settings, one_agent(echo, version="2")) as bench:
        assert await versions(bench, "scribe") == {"1": False, "2": True}


async def test_what_an_operator_put_in_force_stays_in_force(settings: Settings) -> None:
    async with working(settings, one_agent(echo)):
        pass
    async with working(settings, one_agent(echo, version="2")) as bench:
        taken = await bench.give(c.CreateExecution(mode="record", agent_name="scribe", input={}))
        agent_id = (await bench.events(taken.id))[0].facts["agent_id"]
        facts = bench.services.ledger.read_facts(agent_id)
        first = next(fact.facts for fact in facts if fact.type == "version_added")
        await bench.give(c.PromoteVersion(agent_id, first["version_id"]))

    async with working(settings, one_agent(echo, version="2")) as bench:
        assert await versions(bench, "scribe") == {"1": True, "2": False}


async def test_an_agent_is_stopped_at_the_usage_that_crosses_its_budget(tmp_path: Path) -> None:
    stopped = asyncio.Event()

    async def spend_for_ever(run: Run, _: Json) -> Json:
        try:
            while True:
                await run.usage(model="m", prompt_tokens=10)
                await asyncio.sleep(0.001)
        finally:
            stopped.set()

    agents = one_agent(spend_for_ever, config={"run_budget": {"max_total_tokens": 25}})
    async with working(settings_at(tmp_path), agents) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "failed")
        await asyncio.wait_for(stopped.wait(), 30)
        types = await bench.types(id_)
        facts = await bench.facts(id_, "failed")

    assert types[2:] == ["usage_recorded"] * 3 + ["failed"]
    assert facts["error_code"] == "budget_exceeded"


ASKING = {"run_budget": {"max_cost": 1, "ask_at": "0.5", "raise_by": 2}}


async def spend_three_times(run: Run, _: Json) -> Json:
    """Spends 0.60, and 0.60, and 0.60 dollars."""
    for step in ("one", "two", "three"):
        await run.usage(model="m", cost_usd="0.60")
        await run.content(step)
    return {}


async def test_an_agent_waits_for_a_human_before_its_budget_is_spent(tmp_path: Path) -> None:
    agents = one_agent(spend_three_times, config=ASKING)
    async with working(settings_at(tmp_path), agents) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "approval_requested")
        payload = (await bench.facts(id_, "approval_requested"))["payload"]
        await bench.give(c.Decide(id_, approve=True))
        await bench.until(id_, "completed")
        types = await bench.types(id_)

    assert (payload["budget_of"], payload["raise_by"]) == (id_, "2")
    assert types.count("usage_recorded") == 3
    assert types.count("approval_requested") == 1


async def test_an_agent_goes_on_to_its_limit_after_a_no(tmp_path: Path) -> None:
    agents = one_agent(spend_three_times, config=ASKING)
    async with working(settings_at(tmp_path), agents) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "approval_requested")
        await bench.give(c.Decide(id_, approve=False))
        await bench.until(id_, "failed")
        types = await bench.types(id_)

    assert types.count("usage_recorded") == 2, types
    assert types[-1] == "failed"
