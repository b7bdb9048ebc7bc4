"""What an in-process agent learns of decisions: of an edit, of a no, and after a lost worker."""

from pathlib import Path
from typing import Any

import pytest

from ledger import commands as c
from ledger.digest import digest_of
from ledger_client.work import AgentSet, Run
from server.settings import Settings
from tests.integration.workers import Bench, Signal, one_agent, settings_at, working

Json = dict[str, Any]

PAYLOAD = {"pay": "12.00"}
LESS = {"pay": "7.00"}
DENIED = {"approved": False, "reason": "too much", "by": "ada"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_at(tmp_path)


async def haggle(run: Run, _: Json) -> Json:
    decision = await run.approval("pay", PAYLOAD, on_reject="resume")
    return {"approved": decision.approved, "reason": decision.reason, "by": decision.by}


async def pay_what_was_approved(run: Run, _: Json) -> Json:
    decision = await run.approval("pay", PAYLOAD)
    return {"paid": decision.payload, "digest": decision.payload_digest}


async def parked(bench: Bench) -> str:
    """A run that waits for a human."""
    id_ = await bench.ask("scribe")
    await bench.until(id_, "approval_requested")
    return id_


async def edit(bench: Bench, id_: str, payload: Json) -> None:
    asked = await bench.facts(id_, "approval_requested")
    await bench.give(c.SupersedeApproval(id_, asked["approval_id"], payload))


async def output_of(bench: Bench, id_: str) -> Json:
    await bench.until(id_, "completed")
    output: Json = (await bench.facts(id_, "completed"))["output"]
    return output


async def test_an_agent_that_asked_to_go_on_gets_the_no_and_goes_on(settings: Settings) -> None:
    async with working(settings, one_agent(haggle)) as bench:
        id_ = await parked(bench)
        await bench.give(c.Decide(id_, approve=False, reason="too much"))

        assert await output_of(bench, id_) == DENIED
        types = await bench.types(id_)
        assert types == ["created", "started", "approval_requested", "denied", "completed"]


async def test_a_yes_is_told_from_a_no(settings: Settings) -> None:
    async with working(settings, one_agent(haggle)) as bench:
        id_ = await parked(bench)
        await bench.give(c.Decide(id_, approve=True))

        assert (await output_of(bench, id_))["approved"] is True


async def test_an_agent_that_asked_to_go_on_goes_on_when_nobody_decides_in_time(
    settings: Settings,
) -> None:
    async with working(settings, one_agent(haggle)) as bench:
        id_ = await parked(bench)
        asked = await bench.facts(id_, "approval_requested")
        await bench.give(c.ExpireApproval(id_, asked["approval_id"]))

        output = await output_of(bench, id_)
        assert (output["approved"], output["reason"]) == (False, "nobody decided in time")


async def test_an_agent_asks_with_a_policy(settings: Settings) -> None:
    async def careful(run: Run, _: Json) -> Json:
        policy: Json = {"required_role": "admin", "not_requester": True, "expires_in_s": 3600}
        await run.approval("pay", PAYLOAD, **policy)
        return {}

    async with working(settings, one_agent(careful)) as bench:
        asked = await bench.facts(await parked(bench), "approval_requested")

        assert (asked["required_role"], asked["not_requester"]) == ("admin", True)
        assert "expires_at" in asked


async def test_a_policy_that_means_nothing_fails_the_agent(settings: Settings) -> None:
    async def careless(run: Run, _: Json) -> Json:
        await run.approval("pay", PAYLOAD, expires_in_s=-1)
        return {}

    async with working(settings, one_agent(careless)) as bench:
        id_ = await bench.ask("scribe")
        await bench.until(id_, "failed")

        assert (await bench.facts(id_, "failed"))["error"].startswith("BadRequest: expires_in_s")


async def test_an_agent_gets_what_was_approved_after_an_edit(settings: Settings) -> None:
    async with working(settings, one_agent(pay_what_was_approved)) as bench:
        id_ = await parked(bench)
        await edit(bench, id_, LESS)
        await bench.give(c.Decide(id_, approve=True))

        assert await output_of(bench, id_) == {"paid": LESS, "digest": digest_of(LESS)}


async def test_an_edit_stands_after_a_restart_and_nobody_is_asked_twice(
    settings: Settings,
) -> None:
    agents = one_agent(pay_what_was_approved)
    async with working(settings, agents) as bench:
        id_ = await parked(bench)
        await bench.stop()
        await edit(bench, id_, LESS)
        await bench.give(c.Decide(id_, approve=True))

    async with working(settings, agents) as bench:
        assert (await output_of(bench, id_))["paid"] == LESS
        assert (await bench.types(id_)).count("approval_requested") == 1


async def test_a_no_is_never_met_with_an_earlier_yes(settings: Settings) -> None:
    """The agent learns of the end by being stopped, and of nothing else."""
    seen: list[str] = []
    over = Signal()

    async def careful(run: Run, _: Json) -> Json:
        try:
            await run.approval("pay", PAYLOAD)
            await run.approval("pay more", PAYLOAD)
            seen.append("went on")
        except BaseException as stopped:
            seen.append(type(stopped).__name__)
            raise
        finally:
            over.set()
        return {}

    async with working(settings, one_agent(careful)) as bench:
        id_ = await parked(bench)
        await bench.give(c.Decide(id_, approve=True))
        await bench.until(id_, "approval_requested")
        await bench.give(c.Decide(id_, approve=False))
        await over.wait()

    assert seen == ["CancelledError"]


# The worker that asked is gone.


async def test_a_no_while_the_server_is_down_is_found_at_its_start(tmp_path: Path) -> None:
    settings = settings_at(tmp_path, most_attempts=1)
    async with working(settings, one_agent(haggle)) as bench:
        id_ = await parked(bench)
        await bench.stop()
        await bench.give(c.Decide(id_, approve=False, reason="too much"))

    async with working(settings, one_agent(haggle)) as bench:
        assert await output_of(bench, id_) == DENIED
        types = await bench.types(id_)
        assert types[2:] == ["approval_requested", "denied", "worker_lost", "started", "completed"]


async def test_a_no_after_the_worker_was_replaced_begins_the_run_anew(tmp_path: Path) -> None:
    settings = settings_at(tmp_path, most_attempts=1)
    async with working(settings, one_agent(haggle)) as bench:
        id_ = await parked(bench)

    async with working(settings, one_agent(haggle)) as bench:
        await bench.give(c.Decide(id_, approve=False, reason="too much"))

        assert await output_of(bench, id_) == DENIED
        assert (await bench.types(id_)).count("approval_requested") == 1


async def test_a_no_to_finished_work_lets_the_agent_do_it_again(settings: Settings) -> None:
    async def revise(run: Run, _: Json) -> Json:
        return {"draft": run.attempt, "because": [each.reason for each in run.decisions]}

    agents = AgentSet()
    policy = {"on_reject": "resume"}
    config = {"approval_required": True}
    agents.agent(name="scribe", version="1", config=config, approval_policy=policy)(revise)
    async with working(settings, agents) as bench:
        id_ = await parked(bench)
        await bench.give(c.Decide(id_, approve=False, reason="too dry"))
        await bench.until(id_, "approval_requested")
        await bench.give(c.Decide(id_, approve=True))

        assert await output_of(bench, id_) == {"draft": 2, "because": ["too dry"]}


async def test_a_no_from_before_is_not_taken_for_a_yes_by_who_asks_for_one(
    settings: Settings,
) -> None:
    async with working(settings, one_agent(haggle)) as bench:
        id_ = await parked(bench)
        await bench.stop()
        await bench.give(c.Decide(id_, approve=False))

    async with working(settings, one_agent(pay_what_was_approved)) as bench:
        await bench.until(id_, "approval_requested")

        assert (await bench.types(id_)).count("approval_requested") == 2


async def test_a_run_that_goes_on_after_a_no_waits_for_a_slot(tmp_path: Path) -> None:
    go = Signal()

    async def either(run: Run, input_: Json) -> Json:
        if input_:
            await run.thinking("busy")
            await go.wait()
            return {}
        return await haggle(run, input_)

    async with working(settings_at(tmp_path, worker_slots=1), one_agent(either)) as bench:
        id_ = await parked(bench)
        busy = await bench.ask("scribe", input={"busy": True})
        await bench.until(busy, "thought")
        await bench.give(c.Decide(id_, approve=False))
        assert (await bench.types(id_))[-1] == "denied"
        go.set()

        assert (await output_of(bench, id_))["approved"] is False
