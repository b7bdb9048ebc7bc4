"""A blocking execute on an agent that nobody works for."""

import asyncio

import pytest

from tests.integration.api import Api, Json

WAITS = 0.3
SETTINGS = {"wait_seconds": WAITS}
pytestmark = [pytest.mark.both_stores, pytest.mark.asyncio(loop_scope="module")]


async def test_when_time_is_up_the_run_is_answered_as_it_stands(api: Api, agent: Json) -> None:
    clock = asyncio.get_running_loop().time
    began = clock()

    reply = await api.post(f"/agents/{agent['id']}/execute", {"input": {}})

    assert (reply.status, reply.data["status"]) == (201, "pending")
    assert clock() - began >= WAITS / 2


async def test_a_repeated_execute_waits_for_the_run_that_there_is(api: Api, agent: Json) -> None:
    key = {"Idempotency-Key": "k"}
    path = f"/agents/{agent['id']}/execute"

    first, again = [await api.call("POST", path, {"input": {}}, headers=key) for _ in "ab"]

    assert (again.status, again.data) == (201, first.data)
    assert (await api.get("/executions")).meta["total"] == 1
