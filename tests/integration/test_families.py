"""What becomes of children when an execution is stopped."""

import asyncio
from pathlib import Path

import pytest

from ledger.commands.creation import MOST_DEPTH
from server.app import build_app
from tests.integration.api import Api, Json, assert_problem
from tests.integration.conftest import registered, serving, settings_in

SECONDS = 20.0


async def begun(api: Api, agent: Json, parent: str | None = None) -> str:
    body = {"input": {}, "async_mode": True, "parent_execution_id": parent}
    return str((await api.post(f"/agents/{agent['id']}/execute", body)).data["id"])


async def status(api: Api, id_: str) -> str:
    return str((await api.get(f"/executions/{id_}")).data["status"])


async def until(api: Api, id_: str, wanted: str) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            if await status(api, id_) == wanted:
                return
            await asyncio.sleep(0.02)


async def test_children_of_what_is_cancelled_are_cancelled_and_theirs(
    api: Api, agent: Json
) -> None:
    top = await begun(api, agent)
    child = await begun(api, agent, top)
    grandchild = await begun(api, agent, child)
    other = await begun(api, agent)

    await api.post(f"/executions/{top}/cancel")

    await until(api, grandchild, "cancelled")
    assert await status(api, child) == "cancelled"
    assert await status(api, other) == "pending"
    event = (await api.get(f"/executions/{child}/events", type="cancelled")).data[0]
    assert event["data"]["reason"] == f"its parent {top} was cancelled"
    assert event["actor"]["type"] == "system"


async def test_children_are_stopped_when_their_parent_is_asked_to_stop(
    api: Api, agent: Json, running: str
) -> None:
    child = await begun(api, agent, running)

    await api.post(f"/executions/{running}/cancel")

    await until(api, child, "cancelled")
    assert await status(api, running) == "running"


async def test_what_has_ended_stays_as_it_was(api: Api, agent: Json) -> None:
    top = await begun(api, agent)
    done, open_ = await begun(api, agent, top), await begun(api, agent, top)
    await api.post(f"/executions/{done}/start")
    await api.post(f"/executions/{done}/complete")

    await api.post(f"/executions/{top}/cancel")

    await until(api, open_, "cancelled")
    assert await status(api, done) == "completed"


@pytest.mark.parametrize("is_running", [False, True])
async def test_what_is_stopped_begins_no_child(api: Api, agent: Json, is_running: bool) -> None:
    top = await begun(api, agent)
    if is_running:
        await api.post(f"/executions/{top}/start")
    await api.post(f"/executions/{top}/cancel")

    body = {"input": {}, "async_mode": True, "parent_execution_id": top}
    reply = await api.post(f"/agents/{agent['id']}/execute", body)

    assert_problem(reply, 400, "parent_stopped")


async def test_children_are_nested_only_so_deep(api: Api, agent: Json) -> None:
    parent = await begun(api, agent)
    for _ in range(MOST_DEPTH):
        parent = await begun(api, agent, parent)

    body = {"input": {}, "async_mode": True, "parent_execution_id": parent}
    reply = await api.post(f"/agents/{agent['id']}/execute", body)

    assert_problem(reply, 400, "limit_exceeded", mentions=str(MOST_DEPTH))


async def test_children_that_an_end_of_the_server_left_are_stopped_at_its_start(
    tmp_path: Path,
) -> None:
    settings = settings_in(tmp_path)
    application = build_app(settings, worker=False)
    async with serving(application) as api:
        agent = await registered(api)
        top = await begun(api, agent)
        child = await begun(api, agent, top)
        await api.post(f"/executions/{top}/start")
        await api.post(f"/executions/{top}/cancel")

    async with serving(build_app(settings, worker=False)) as api:
        await until(api, child, "cancelled")
