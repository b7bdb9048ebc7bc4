"""Workers over HTTP: claims, leases, heartbeats, going on after a human's answer."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from server.app import build_app
from server.settings import Settings
from server.standing import STANDING
from tests.integration.api import Api, Json, Reply, assert_problem
from tests.integration.conftest import key_of, registered, serving
from tests.quick_settings import quick_settings
from tests.recording import HandClock
from tests.stores import database_in

SECONDS = 20.0
LOOKS = 0.1
"""Seconds in which a server looks at its clock a few times."""
CONTENT = {"type": "content", "content": "hm"}


def settings_of(folder: Path, **more: Any) -> Settings:
    return quick_settings(database_in(folder), **more)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def hasty(tmp_path: Path, clock: HandClock) -> AsyncIterator[Api]:
    """A server that looks often at a clock which is moved by hand.

    By it a lease lasts a fifth of a second, and so does the grace of a cancellation.
    """
    settings = settings_of(tmp_path, lease_seconds=0.2, cancel_grace_seconds=0.2, most_attempts=2)
    async with serving(build_app(settings, worker=False, clocks=clock.clocks)) as api:
        yield api


class Work(NamedTuple):
    """An execution that a worker was given."""

    api: Api
    given: Json

    @property
    def id(self) -> str:
        return str(self.given["execution_id"])

    async def post(self, step: str, body: Json | None = None) -> Reply:
        headers = {"X-Lease-Token": self.given["lease"]["token"]}
        path = f"/executions/{self.id}/{step}"
        return await self.api.call("POST", path, body or {}, headers=headers)

    async def status(self) -> str:
        return str((await self.api.get(f"/executions/{self.id}")).data["status"])

    async def types(self) -> list[str]:
        events = (await self.api.get(f"/executions/{self.id}/events")).data
        return [event["type"] for event in events]

    async def until(self, *statuses: str) -> Json:
        async with asyncio.timeout(SECONDS):
            while True:
                shown: Json = (await self.api.get(f"/executions/{self.id}")).data
                if shown["status"] in statuses:
                    return shown
                await asyncio.sleep(0.05)


async def asked(api: Api, agent: Json, **more: Any) -> str:
    body = {"input": {"n": 1}, "async_mode": True, **more}
    return str((await api.post(f"/agents/{agent['id']}/execute", body)).data["id"])


async def claimed(api: Api, *agents: str, **more: Any) -> list[Work]:
    body = {"agents": list(agents), "worker": "w-1", "wait_seconds": 0, **more}
    return [Work(api, given) for given in (await api.post("/workers/claim", body)).data]


async def at_work(api: Api, config: Json | None = None) -> Work:
    """An execution that a worker took up."""
    agent = await registered(api, "Clerk")
    if config is not None:
        version = {"version": "1", "config": config}
        assert (await api.post(f"/agents/{agent['id']}/versions", version)).status == 201
    await asked(api, agent)
    (work,) = await claimed(api, "Clerk")
    return work


# Claims.


async def test_a_worker_is_given_what_it_needs_to_know(api: Api) -> None:
    agent = await registered(api, "Clerk")
    version = {"version": "1.2", "config": {"tone": "dry"}}
    await api.post(f"/agents/{agent['id']}/versions", version)
    id_ = await asked(api, agent, metadata={"tier": "gold"}, session_id="s-1", user_id="u-1")

    (work,) = await claimed(api, "Clerk")

    known = {"execution_id": id_, "agent_name": "Clerk", "agent_version": "1.2", "attempt": 1}
    known |= {"config": {"tone": "dry"}, "input": {"n": 1}, "metadata": {"tier": "gold"}}
    known |= {"session_id": "s-1", "user_id": "u-1", "status": "running", "version": 2}
    known |= {"approvals": [], "deadline_at": None, "cancellation_requested": False}
    assert work.given.items() >= known.items()
    assert work.given["lease"].items() >= {"seconds": 30.0, "heartbeat_seconds": 10.0}.items()
    shown = (await api.get(f"/executions/{id_}")).data
    assert (shown["status"], shown["worker"], shown["attempt"]) == ("running", "w-1", 1)


async def test_executions_are_given_in_the_order_in_which_they_were_asked_for(api: Api) -> None:
    agent = await registered(api, "Clerk")
    ids = [await asked(api, agent) for _ in range(3)]

    first = await claimed(api, "Clerk", most=2)
    rest = await claimed(api, "Clerk", most=2)

    assert [work.id for work in first + rest] == ids
    assert await claimed(api, "Clerk") == []


async def test_a_worker_is_given_executions_of_its_agents_only(api: Api) -> None:
    await asked(api, await registered(api, "Clerk"))
    await registered(api, "Scribe")

    assert await claimed(api, "Scribe") == []
    assert len(await claimed(api, "Scribe", "Clerk", most=5)) == 1


async def test_a_worker_that_waits_is_given_what_comes(api: Api) -> None:
    agent = await registered(api, "Clerk")
    waiting = asyncio.create_task(claimed(api, "Clerk", wait_seconds=SECONDS))
    await asyncio.sleep(0.1)

    id_ = await asked(api, agent)

    (work,) = await waiting
    assert work.id == id_


async def test_a_worker_that_leaves_is_answered_at_once(api: Api) -> None:
    agent = await registered(api, "Clerk")
    leaving = asyncio.create_task(claimed(api, "Clerk", wait_seconds=SECONDS, worker="w-1"))
    staying = asyncio.create_task(claimed(api, "Clerk", wait_seconds=SECONDS, worker="w-2"))
    await asyncio.sleep(0.1)

    await api.post("/workers/leave", {"agents": ["Clerk"], "worker": "w-1"})

    async with asyncio.timeout(SECONDS / 2):
        assert await leaving == []
        id_ = await asked(api, agent)
        assert [work.id for work in await staying] == [id_]


async def test_of_many_workers_one_is_given_an_execution(api: Api) -> None:
    agent = await registered(api, "Clerk")
    waiting = [
        asyncio.create_task(claimed(api, "Clerk", wait_seconds=1, worker=f"w-{n}"))
        for n in range(8)
    ]
    await asyncio.sleep(0.1)

    ids = {await asked(api, agent) for _ in range(5)}

    given = [work.id for works in await asyncio.gather(*waiting) for work in works]
    assert len(given) == len(set(given)) == 5
    assert set(given) == ids


async def test_what_somebody_records_is_given_to_nobody(api: Api) -> None:
    agent = await registered(api, "Clerk")
    await api.post("/executions", {"agent_id": agent["id"]})

    assert await claimed(api, "Clerk") == []


async def test_an_agent_that_nobody_knows_is_named(api: Api) -> None:
    reply = await api.post("/workers/claim", {"agents": ["Nobody"], "wait_seconds": 0})

    assert_problem(reply, 404, "not_found", mentions="Nobody")


async def test_a_worker_sees_nothing_of_another_workspace(api: Api) -> None:
    admin = await key_of(api, "admin", "*")
    theirs = await key_of(admin, "worker", "theirs")
    ours = await key_of(admin, "worker", "ours")
    await asked(ours, await registered(await key_of(admin, "admin", "ours"), "Clerk"))
    await registered(await key_of(admin, "admin", "theirs"), "Clerk")

    assert await claimed(theirs, "Clerk") == []
    assert len(await claimed(ours, "Clerk")) == 1


async def test_a_reader_may_not_claim(api: Api) -> None:
    admin = await key_of(api, "admin", "*")
    reader = await key_of(admin, "reader", "ours")

    reply = await reader.post("/workers/claim", {"agents": ["Clerk"]})

    assert_problem(reply, 403, "forbidden")


async def test_a_worker_makes_its_agents_known_once(api: Api) -> None:
    admin = await key_of(api, "admin", "*")
    worker = await key_of(admin, "worker", "ours")
    clerk = {"name": "Clerk", "version": "1", "config": {"max_attempts": 2, "temperature": 0.7}}
    clerk |= {"input_schema": {"type": "object", "required": ["n"]}, "labels": ["money"]}

    first = (await worker.post("/workers/register", {"agents": [clerk]})).data
    again = (await worker.post("/workers/register", {"agents": [clerk]})).data
    changed = {**clerk, "config": {}}
    differs = (await worker.post("/workers/register", {"agents": [changed]})).data
    raised = (
        await worker.post("/workers/register", {"agents": [{**changed, "version": "2"}]})
    ).data

    assert [each["is_new"] for each in (*first, *again, *differs)] == [True, False, False]
    assert [each["differs"] for each in (*first, *again, *differs)] == [False, False, True]
    assert first[0]["version_id"] == again[0]["version_id"] == differs[0]["version_id"]
    shown = (await worker.get(f"/agents/{raised[0]['agent_id']}")).data
    assert (shown["labels"], shown["current_version"]["version"]) == (["money"], "2")


# Leases.


async def test_a_worker_records_under_its_lease(api: Api) -> None:
    work = await at_work(api)

    assert (await work.post("frames", CONTENT)).status == 200
    assert (await work.post("usage", {"model": "m", "prompt_tokens": 1})).status == 200
    assert (await work.post("complete", {"output": {"n": 2}})).status == 200

    assert await work.types() == [
        "created",
        "started",
        "content_streamed",
        "usage_recorded",
        "completed",
    ]


WRITES = [
    ("frames", CONTENT),
    ("usage", {"model": "m", "prompt_tokens": 1}),
    ("approvals", {"checkpoint_name": "send"}),
    ("complete", {"output": {}}),
    ("fail", {"error": "no"}),
    ("cancel", {"confirm": True}),
    ("start", {}),
    ("heartbeat", {}),
    ("go-on", {"wait_seconds": 0}),
    ("release", {}),
]


@pytest.mark.parametrize("token", [None, "another"])
@pytest.mark.parametrize(("step", "body"), WRITES)
async def test_whoever_does_not_hold_the_lease_is_refused(
    api: Api, step: str, body: Json, token: str | None
) -> None:
    work = await at_work(api)
    headers = {} if token is None else {"X-Lease-Token": token}

    reply = await api.call("POST", f"/executions/{work.id}/{step}", body, headers=headers)

    assert_problem(reply, 400, "lease_lost")
    assert await work.types() == ["created", "started"]


async def test_the_history_never_shows_the_token(api: Api) -> None:
    work = await at_work(api)

    history = (await api.get(f"/executions/{work.id}/events")).text

    assert work.given["lease"]["token"].encode() not in history
    assert b'"lease":"' in history


async def test_an_execution_without_a_lease_takes_no_token(api: Api, running: str) -> None:
    headers = {"X-Lease-Token": "made up"}

    reply = await api.call("POST", f"/executions/{running}/frames", CONTENT, headers=headers)

    assert_problem(reply, 400, "lease_lost")


async def test_a_worker_that_falls_silent_loses_the_execution_to_another(
    hasty: Api, clock: HandClock
) -> None:
    silent = await at_work(hasty)
    clock.advance(1)

    (other,) = await claimed(hasty, "Clerk", wait_seconds=SECONDS)

    assert (other.id, other.given["attempt"]) == (silent.id, 2)
    assert (await other.types())[:4] == ["created", "started", "worker_lost", "started"]
    lost = (await hasty.get(f"/executions/{other.id}/events", type="worker_lost")).data[0]
    assert lost["actor"] == {"type": "system", "id": "dispatch", "auth": "in_process"}
    assert lost["data"]["last_heard"] is not None
    assert_problem(await silent.post("frames", CONTENT), 400, "lease_lost")
    assert (await other.post("complete", {"output": {}})).status == 200


@pytest.mark.parametrize(("step", "body"), [each for each in WRITES if each[0] != "cancel"])
async def test_whoever_lost_the_lease_is_refused_while_the_run_waits_for_another(
    api: Api, step: str, body: Json
) -> None:
    work = await at_work(api)
    await work.post("release")

    reply = await work.post(step, body)

    assert_problem(reply, 400, "lease_lost")
    assert await work.types() == ["created", "started", "worker_lost"]


async def test_a_worker_that_is_heard_of_keeps_the_execution(hasty: Api, clock: HandClock) -> None:
    work = await at_work(hasty)

    for _ in range(30):
        assert (await work.post("heartbeat")).data["cancellation_requested"] is False
        clock.advance(0.15)
        await asyncio.sleep(0.03)  # the server looks at its clock meanwhile

    assert (await work.post("complete", {"output": {}})).status == 200
    assert await work.types() == ["created", "started", "completed"]


async def test_a_run_whose_workers_are_lost_too_often_fails(hasty: Api, clock: HandClock) -> None:
    await at_work(hasty)
    clock.advance(1)
    (second,) = await claimed(hasty, "Clerk", wait_seconds=SECONDS)
    clock.advance(1)

    ended = await second.until("failed")

    assert (ended["error_code"], ended["attempt"]) == ("worker_lost", 2)


async def test_a_version_says_how_often_a_run_is_taken_up(hasty: Api, clock: HandClock) -> None:
    work = await at_work(hasty, {"max_attempts": 1})
    clock.advance(1)

    ended = await work.until("failed")

    assert (ended["error_code"], ended["attempt"]) == ("worker_lost", 1)


async def test_a_lost_run_waits_as_long_as_its_version_says(hasty: Api, clock: HandClock) -> None:
    work = await at_work(hasty, {"retry_backoff_s": 60})
    clock.advance(1)
    await work.until("pending")

    assert await claimed(hasty, "Clerk", wait_seconds=0.3) == []


async def test_a_lost_run_that_is_cancelled_in_its_pause_waits_for_nobody(
    tmp_path: Path, clock: HandClock
) -> None:
    app = build_app(settings_of(tmp_path, lease_seconds=0.2), worker=False, clocks=clock.clocks)
    async with serving(app) as api:
        work = await at_work(api, {"retry_backoff_s": 0.3})
        clock.advance(1)
        await work.until("pending")
        await api.post(f"/executions/{work.id}/cancel")
        assert await work.status() == "cancelled"

        await asyncio.sleep(0.6)  # the pause is over then, whatever stalls in between

        assert len(app[STANDING].queue) == 0


async def test_what_a_worker_gives_back_is_given_to_the_next(api: Api) -> None:
    work = await at_work(api, {"max_attempts": 1})

    assert (await work.post("release")).status == 200

    (other,) = await claimed(api, "Clerk", wait_seconds=SECONDS)
    assert (other.id, await other.status()) == (work.id, "running")
    assert_problem(await work.post("complete"), 400, "lease_lost", "is running")


# Deadlines and cancellations.


async def test_work_that_takes_too_long_times_out(api: Api) -> None:
    work = await at_work(api, {"max_duration_s": 0.2})
    assert work.given["deadline_at"] is not None

    ended = await work.until("failed")

    assert ended["error_code"] == "timeout"
    assert_problem(await work.post("complete"), 400, "illegal_transition")


async def test_time_that_a_human_takes_is_not_counted(hasty: Api, clock: HandClock) -> None:
    work = await at_work(hasty, {"max_duration_s": 1.5})
    await work.post("approvals", {"checkpoint_name": "send"})
    clock.advance(3600)
    await asyncio.sleep(LOOKS)
    await hasty.post(f"/executions/{work.id}/approve")

    went_on = (await work.post("go-on")).data

    assert (went_on["status"], went_on["attempt"]) == ("running", 1)
    assert (await work.post("complete", {"output": {}})).status == 200


async def test_a_worker_learns_of_a_cancellation_and_confirms_it(api: Api) -> None:
    work = await at_work(api)
    await api.post(f"/executions/{work.id}/cancel", {"reason": "too dear"})

    assert (await work.post("heartbeat")).data["cancellation_requested"] is True
    assert (await work.post("frames", CONTENT)).data["cancellation_requested"] is True
    assert (await work.post("cancel", {"confirm": True})).data["status"] == "cancelled"


async def test_a_worker_that_waits_learns_of_a_cancellation_at_once(api: Api) -> None:
    work = await at_work(api)
    waiting = asyncio.create_task(work.post("heartbeat", {"wait_seconds": SECONDS}))
    await asyncio.sleep(0.1)

    await api.post(f"/executions/{work.id}/cancel")

    async with asyncio.timeout(SECONDS / 2):
        assert (await waiting).data["cancellation_requested"] is True


async def test_a_worker_that_waits_learns_that_the_work_is_over(api: Api) -> None:
    work = await at_work(api)
    waiting = asyncio.create_task(work.post("heartbeat", {"wait_seconds": SECONDS}))
    await asyncio.sleep(0.1)

    await work.post("complete", {"output": {}})

    async with asyncio.timeout(SECONDS / 2):
        assert_problem(await waiting, 400, "lease_lost")


async def test_a_server_that_ends_lets_workers_go(tmp_path: Path) -> None:
    async with serving(build_app(settings_of(tmp_path), worker=False)) as api:
        work = await at_work(api)
        waiting = [
            asyncio.create_task(work.post("heartbeat", {"wait_seconds": SECONDS})),
            asyncio.create_task(claimed(api, "Clerk", wait_seconds=SECONDS)),
        ]
        await asyncio.sleep(0.1)

    async with asyncio.timeout(SECONDS / 2):
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_worker_that_does_not_confirm_is_cancelled_over_its_head(
    hasty: Api, clock: HandClock
) -> None:
    work = await at_work(hasty)
    cancelling = asyncio.create_task(
        hasty.post(f"/executions/{work.id}/cancel", {"reason": "too dear"})
    )
    while (await work.post("heartbeat")).status == 200:
        clock.advance(0.05)

    await cancelling

    assert await work.status() == "cancelled"
    cancelled = (await hasty.get(f"/executions/{work.id}/events", type="cancelled")).data[0]
    assert cancelled["actor"]["id"] == "dispatch"
    assert cancelled["data"]["reason"] == "too dear"


async def test_terms_out_of_their_bounds_are_refused(api: Api) -> None:
    agent = await registered(api, "Clerk")
    version = {"version": "1", "config": {"max_attempts": 0}}

    reply = await api.post(f"/agents/{agent['id']}/versions", version)

    assert_problem(reply, 400, "invalid_config", mentions="config.max_attempts")


# A human in between.


async def test_a_worker_goes_on_after_a_yes(hasty: Api, clock: HandClock) -> None:
    work = await at_work(hasty)
    await work.post("approvals", {"checkpoint_name": "send", "payload": {"to": "ada"}})
    assert (await work.post("go-on", {"wait_seconds": 0})).data["status"] == "awaiting_approval"
    going_on = asyncio.create_task(work.post("go-on", {"wait_seconds": SECONDS}))
    clock.advance(3600)
    await asyncio.sleep(LOOKS)
    await hasty.post(f"/executions/{work.id}/approve", {"reason": "fine"})

    went_on = (await going_on).data

    assert (went_on["status"], went_on["attempt"]) == ("running", 1)
    assert [each["reason"] for each in went_on["approvals"]] == ["fine"]
    assert went_on["lease"]["token"] is None
    assert (await work.post("complete", {"output": {}})).status == 200


async def test_a_worker_learns_of_a_no(api: Api) -> None:
    work = await at_work(api)
    await work.post("approvals", {"checkpoint_name": "send"})
    await api.post(f"/executions/{work.id}/deny")

    reply = await work.post("go-on")

    details = assert_problem(reply, 400, "lease_lost", "is rejected")
    assert details == {"execution_id": work.id, "status": "rejected"}
    assert await work.status() == "rejected"


async def test_an_approved_run_whose_worker_is_gone_is_given_to_another(
    hasty: Api, clock: HandClock
) -> None:
    work = await at_work(hasty)
    await work.post("approvals", {"checkpoint_name": "send"})
    await hasty.post(f"/executions/{work.id}/approve")
    clock.advance(1)

    (other,) = await claimed(hasty, "Clerk", wait_seconds=SECONDS)

    assert (other.id, other.given["attempt"]) == (work.id, 2)
    assert [each["checkpoint"] for each in other.given["approvals"]] == ["send"]
    assert_problem(await work.post("go-on"), 400, "lease_lost")


# A restart of the server.


async def test_a_restart_gives_every_lease_its_whole_time_again(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    async with serving(build_app(settings, worker=False)) as api:
        before = await at_work(api)

    async with serving(build_app(settings, worker=False)) as api:
        work = Work(api, before.given)
        assert (await work.post("heartbeat")).status == 200
        assert (await work.post("complete", {"output": {}})).status == 200
        assert await work.types() == ["created", "started", "completed"]


async def test_a_run_whose_worker_did_not_survive_the_restart_is_given_to_another(
    tmp_path: Path,
) -> None:
    async with serving(build_app(settings_of(tmp_path), worker=False)) as api:
        before = await at_work(api)

    settings = settings_of(tmp_path, lease_seconds=0.2)
    async with serving(build_app(settings, worker=False)) as api:
        (work,) = await claimed(api, "Clerk", wait_seconds=SECONDS)
        assert (work.id, work.given["attempt"]) == (before.id, 2)


async def test_what_waits_at_a_restart_is_given(tmp_path: Path) -> None:
    async with serving(build_app(settings_of(tmp_path), worker=False)) as api:
        agent = await registered(api, "Clerk")
        ids = [await asked(api, agent) for _ in range(2)]

    async with serving(build_app(settings_of(tmp_path), worker=False)) as api:
        works = [*await claimed(api, "Clerk", wait_seconds=SECONDS), *await claimed(api, "Clerk")]
        assert [work.id for work in works] == ids


async def test_deadlines_and_cancellations_outlive_a_restart(tmp_path: Path) -> None:
    async with serving(build_app(settings_of(tmp_path), worker=False)) as api:
        slow = await at_work(api, {"max_duration_s": 0.5})
        agent = await registered(api, "Scribe")
        await asked(api, agent)
        (stubborn,) = await claimed(api, "Scribe")
        await api.post(f"/executions/{stubborn.id}/cancel")

    settings = settings_of(tmp_path, cancel_grace_seconds=0.1)
    async with serving(build_app(settings, worker=False)) as api:
        assert (await Work(api, slow.given).until("failed"))["error_code"] == "timeout"
        await Work(api, stubborn.given).until("cancelled")


# A no after which the work goes on.


async def test_a_worker_that_asked_to_goes_on_after_a_no(hasty: Api, clock: HandClock) -> None:
    work = await at_work(hasty, {"max_duration_s": 60})
    request = {"checkpoint_name": "send", "payload": {"to": "ada"}, "on_reject": "resume"}
    await work.post("approvals", request)
    clock.advance(3600)
    await asyncio.sleep(LOOKS)
    await hasty.post(f"/executions/{work.id}/deny", {"reason": "not now"})

    went_on = (await work.post("go-on")).data

    (decision,) = went_on["approvals"]
    assert (went_on["status"], decision["approved"], decision["reason"]) == (
        "running",
        False,
        "not now",
    )
    assert went_on["deadline_at"] > work.given["deadline_at"]
    assert (await work.post("complete", {"output": {}})).status == 200


async def test_finished_work_that_is_sent_back_is_given_to_a_worker_at_once(api: Api) -> None:
    policy = {"on_reject": "resume"}
    agent = await registered(api, "Clerk")
    config = {"approval_required": True, "max_attempts": 1}
    version = {"version": "1", "config": config, "approval_policy": policy}
    await api.post(f"/agents/{agent['id']}/versions", version)
    await asked(api, agent)
    (work,) = await claimed(api, "Clerk")
    await work.post("complete", {"output": {"n": 1}})
    await api.post(f"/executions/{work.id}/deny", {"reason": "again"})

    (again,) = await claimed(api, "Clerk", wait_seconds=SECONDS)

    assert (again.id, again.given["attempt"]) == (work.id, 2)
    assert again.given["approvals"][0]["reason"] == "again"
    assert_problem(await work.post("frames", CONTENT), 400, "lease_lost")


async def test_a_parked_run_that_was_given_back_is_not_stuck_after_a_no(api: Api) -> None:
    work = await at_work(api)
    await work.post("approvals", {"checkpoint_name": "send", "on_reject": "resume"})
    await work.post("release")
    await api.post(f"/executions/{work.id}/deny")

    (again,) = await claimed(api, "Clerk", wait_seconds=SECONDS)

    assert (again.id, again.given["attempt"]) == (work.id, 2)


async def test_a_worker_that_is_gone_when_a_no_lets_the_work_go_on_loses_it(
    hasty: Api, clock: HandClock
) -> None:
    work = await at_work(hasty)
    await work.post("approvals", {"checkpoint_name": "send", "on_reject": "resume"})
    await hasty.post(f"/executions/{work.id}/deny")
    clock.advance(1)

    (other,) = await claimed(hasty, "Clerk", wait_seconds=SECONDS)

    assert (other.id, other.given["attempt"]) == (work.id, 2)
