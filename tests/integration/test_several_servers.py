"""Several servers on one database: whatever is asked of one is seen, and counts, at the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from itertools import count

import pytest
import pytest_asyncio

from ledger_client.work import AgentSet, Run
from tests.integration.api import Api, Json
from tests.integration.conftest import key_of, registered, started
from tests.integration.several import SECONDS, Node, node, several, until
from tests.integration.workers import Signal, one_agent

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes() -> AsyncIterator[list[Node]]:
    """Three servers that tests share which look at nothing of each other's."""
    async with several(3) as nodes:
        yield nodes


NUMBERS = count()


def contents(number: int) -> list[Json]:
    return [{"type": "content", "content": f"{number}.{n}"} for n in range(3)]


async def watch(api: Api, id_: str, after: int = 0) -> bytes:
    """A stream to its end."""
    return (await api.get(f"/executions/{id_}/stream", starting_after=after)).text


# Streams.


async def test_a_run_is_read_live_at_another_server_as_the_same_bytes(nodes: list[Node]) -> None:
    first, second, third = (each.api for each in nodes)
    id_ = await started(first, (await registered(first, f"Scribe {next(NUMBERS)}"))["id"])
    readers = [asyncio.create_task(watch(api, id_)) for api in (first, second, third)]

    for number in range(50):
        await (first, second, third)[number % 3].post(f"/executions/{id_}/frames", contents(number))
    await second.post(f"/executions/{id_}/complete", {"output": {"n": 50}})

    async with asyncio.timeout(SECONDS):
        live = await asyncio.gather(*readers)
    replays = [(await api.get(f"/executions/{id_}/replay")).text for api in (first, second, third)]
    assert live[0].count(b"event: content") == 150
    assert {*live, *replays} == {live[0]}


async def test_a_reader_that_changes_servers_in_the_middle_misses_and_repeats_nothing(
    nodes: list[Node],
) -> None:
    first, second, third = nodes
    id_ = await started(first.api, (await registered(first.api, f"Scribe {next(NUMBERS)}"))["id"])

    async def record() -> None:
        for number in range(60):
            await first.api.post(f"/executions/{id_}/frames", contents(number))
        await first.api.post(f"/executions/{id_}/complete", {"output": {}})

    recording = asyncio.create_task(record())
    got, last = b"", 0
    for each in (second, third, first, second, third, first, second):
        part = await _some(each, id_, last)
        got += part
        last = _last_id(part)
    await recording
    got += (await watch(third.api, id_, last)).partition(b"\n\n")[2]

    assert got == (await first.api.get(f"/executions/{id_}/replay")).text.partition(b"\n\n")[2]


async def _some(node: Node, id_: str, after: int) -> bytes:
    """A few whole frames of a stream that is broken off in its middle; without its preamble."""
    client = node.api._client  # noqa: SLF001 - whoever reads to the end cannot leave in the middle
    headers = {"Last-Event-ID": str(after)} if after else {}
    path = f"/api/v1/executions/{id_}/stream"
    async with client.get(path, headers=headers, params={"replay": "true"}) as response:
        await response.content.readuntil(b"\n\n")
        frames = [await response.content.readuntil(b"\n\n") for _ in range(9)]
        return b"".join(frames)


def _last_id(frames: bytes) -> int:
    return int(frames.rpartition(b"\nid: ")[2].partition(b"\n")[0])


async def test_the_feed_of_everything_tells_of_all_servers_in_order(nodes: list[Node]) -> None:
    before = nodes[0].services.ledger.position
    agent = (await registered(nodes[0].api, f"Scribe {next(NUMBERS)}"))["id"]
    for number in range(30):
        await started(nodes[number % 3].api, agent)

    positions = [
        [
            event["position"]
            for event in (await each.api.get("/events", after=before, limit=200)).data
        ]
        for each in nodes
    ]

    expected = list(range(before + 1, before + 1 + len(positions[0])))
    assert positions == [expected] * 3
    assert len(expected) > 60


# Approvals.


async def test_what_is_asked_through_one_server_is_decided_through_another(
    nodes: list[Node],
) -> None:
    first, second, third = (each.api for each in nodes)
    id_ = await started(first, (await registered(first, f"Scribe {next(NUMBERS)}"))["id"])
    asked = await first.post(f"/executions/{id_}/approvals", {"checkpoint_name": "send"})
    path = f"/approvals/{asked.data['approval_id']}"
    await until(lambda: _is_there(second, path))

    decided = await second.post(f"{path}/decide", {"decision": "approved"})

    assert decided.data["status"] == "approved"
    again = await third.post(f"/executions/{id_}/deny")
    assert again.body["error"]["code"] == "already_decided"
    assert (await first.post(f"/executions/{id_}/start")).status == 200


async def _is_there(api: Api, path: str) -> bool:
    return (await api.get(path)).status == 200


async def test_of_many_who_decide_at_three_servers_one_wins(nodes: list[Node]) -> None:
    id_ = await started(
        nodes[0].api, (await registered(nodes[0].api, f"Scribe {next(NUMBERS)}"))["id"]
    )
    await nodes[0].api.post(f"/executions/{id_}/approvals", {"checkpoint_name": "send"})

    replies = await asyncio.gather(
        *(
            nodes[n % 3].api.post(f"/executions/{id_}/{'approve' if n % 2 else 'deny'}")
            for n in range(30)
        )
    )

    assert sorted(reply.status for reply in replies) == [200] + 29 * [400]
    assert {r.body["error"]["code"] for r in replies if r.status == 400} == {"already_decided"}


async def test_an_approval_expires_once_however_many_servers_look(nodes: list[Node]) -> None:
    agent = (await registered(nodes[0].api, f"Scribe {next(NUMBERS)}"))["id"]
    ids = [await started(nodes[n % 3].api, agent) for n in range(12)]
    for wave in (ids[:6], ids[6:]):  # the second is there to have everybody look twice
        for id_ in wave:
            asked = {"checkpoint_name": "send", "expires_at": "2026-01-01T00:00:00Z"}
            assert (await nodes[1].api.post(f"/executions/{id_}/approvals", asked)).status == 201
        await until(partial(_all, nodes[2].api, wave, "rejected"))

    assert await nodes[0].times("approval_expired", ids) == 12


async def _all(api: Api, ids: list[str], status: str) -> bool:
    shown = [(await api.get(f"/executions/{id_}")).data["status"] for id_ in ids]
    return set(shown) == {status}


# What follows from a cancellation.


async def test_children_are_stopped_once_however_many_servers_follow(nodes: list[Node]) -> None:
    first, second, third = (each.api for each in nodes)
    agent = await registered(first, f"Scribe {next(NUMBERS)}")
    top = await started(first, agent["id"])
    body = {"agent_id": agent["id"], "input": {}, "parent_execution_id": top}
    children = [(await nodes[n % 3].api.post("/executions", body)).data["id"] for n in range(6)]
    for id_ in children[:3]:
        await first.post(f"/executions/{id_}/start")

    await second.post(f"/executions/{top}/cancel")

    await until(lambda: _all(third, children[3:], "cancelled"))
    await until(lambda: _requested(nodes[0], [top, *children], 4))
    assert await nodes[0].times("cancelled", children) == 3


async def _requested(node: Node, ids: list[str], times: int) -> bool:
    return await node.times("cancellation_requested", ids) == times


# Keys.


@pytest_asyncio.fixture(loop_scope="module")
async def open_() -> AsyncIterator[list[Api]]:
    """Three servers of a ledger without keys."""
    async with several(3) as nodes:
        yield [each.api for each in nodes]


async def test_a_key_that_is_made_or_revoked_at_one_server_counts_at_the_others(
    open_: list[Api],
) -> None:
    first, second, third = open_
    steward = await key_of(first, "admin", "*")
    made = (await steward.post("/keys", {"name": "CI", "role": "reader"})).data
    there = second.using(made["secret"])
    await until(lambda: _may(there))
    assert (await third.get("/agents")).status == 401

    await steward.delete(f"/keys/{made['id']}")

    await until(lambda: _may_not(there))
    await until(lambda: _may_not(third.using(made["secret"])))


async def _may(api: Api) -> bool:
    return (await api.get("/agents")).status == 200


async def _may_not(api: Api) -> bool:
    return (await api.get("/agents")).status == 401


async def test_of_the_last_two_admins_one_stays_whichever_server_each_asks(
    open_: list[Api],
) -> None:
    first, second, third = open_
    steward = {"name": "steward", "role": "admin", "workspace": "*"}
    one = (await first.post("/keys", steward)).data
    other = (await first.using(one["secret"]).post("/keys", steward)).data
    await until(lambda: _may(second.using(other["secret"])))

    replies = await asyncio.gather(
        first.using(one["secret"]).delete(f"/keys/{other['id']}"),
        second.using(other["secret"]).delete(f"/keys/{one['id']}"),
    )

    kept, closed = sorted(reply.status for reply in replies)
    assert (kept, closed in {400, 401}) == (204, True)
    left = [await _may(third.using(key["secret"])) for key in (one, other)]
    assert sorted(left) == [False, True]


# Agents in the servers' processes.


async def test_agents_in_several_servers_share_the_work_and_are_registered_once() -> None:
    both_are_there = Signal()
    at_work: set[str] = set()

    async def meet(run: Run, _: Json) -> Json:
        at_work.add(run.execution_id)
        if len(at_work) == 2:  # in two servers, for each has one slot
            both_are_there.set()
        await both_are_there.wait()
        return {}

    async with several(2, agents=one_agent(meet, name="scribe"), worker_slots=1) as nodes:
        agent = (await nodes[0].api.get("/agents", name="scribe")).data[0]
        body = {"input": {}, "async_mode": True}
        ids = [
            (await each.api.post(f"/agents/{agent['id']}/execute", body)).data["id"]
            for each in nodes
        ]
        await until(lambda: _all(nodes[0].api, ids, "completed"))

        shown = [(await nodes[1].api.get(f"/executions/{id_}")).data for id_ in ids]
        assert {each["worker"] for each in shown} == {each.embedded.name for each in nodes}
        assert await nodes[0].times("version_added") == 1
        assert await nodes[0].times("registered") == 1


async def test_agents_that_start_at_the_same_moment_are_registered_once() -> None:
    async def nothing(run: Run, _: Json) -> Json:
        return {}

    agents = AgentSet()
    for number in range(5):
        agents.agent(name=f"agent-{number}", version="1")(nothing)
    async with several(1) as (first,):
        starting = [node(first.services.settings, agents=agents) for _ in range(3)]
        async with AsyncExitStack() as stack:
            await asyncio.gather(*(stack.enter_async_context(each) for each in starting))

        assert await first.times("version_added") == 5
        assert await first.times("promoted") == 5
