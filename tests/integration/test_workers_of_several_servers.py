"""Workers of several servers: a lease is in force everywhere, and what falls due happens once."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

import pytest

from server.leases import Leases, digest_of_token
from server.standing import STANDING
from tests.integration.api import Api, Json, assert_problem
from tests.integration.conftest import registered
from tests.integration.several import SECONDS, Node, node, several, until
from tests.integration.test_remote_workers import CONTENT, Work, asked, claimed
from tests.postgres import fresh_schema
from tests.quick_settings import quick_settings
from tests.recording import HandClock
from tests.stores import fetched_from

LEASE_SECONDS = 10.0
"""By a clock that is moved by hand, as is the grace of a cancellation."""


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def nodes(clock: HandClock) -> AsyncIterator[list[Node]]:
    """Three servers by one clock."""
    terms: Json = {"lease_seconds": LEASE_SECONDS, "cancel_grace_seconds": 5, "most_attempts": 2}
    async with several(3, clock.clocks, **terms) as nodes:
        yield nodes


@pytest.fixture
async def agent(nodes: list[Node]) -> Json:
    return await registered(nodes[0].api, "Clerk")


def at(api: Api, work: Work) -> Work:
    """The same work, by way of another server."""
    return Work(api, work.given)


async def ended(node: Node, ids: list[str]) -> bool:
    shown = [(await node.api.get(f"/executions/{id_}")).data for id_ in ids]
    return all(each["is_terminal"] for each in shown)


# Claims.


async def test_of_workers_at_three_servers_one_is_given_an_execution(
    nodes: list[Node], agent: Json
) -> None:
    waiting = [
        asyncio.create_task(claimed(nodes[n % 3].api, "Clerk", wait_seconds=2, worker=f"w-{n}"))
        for n in range(9)
    ]

    ids = {await asked(nodes[n % 3].api, agent) for n in range(6)}

    given = [work.id for works in await asyncio.gather(*waiting) for work in works]
    assert len(given) == len(set(given)) == 6
    assert set(given) == ids
    assert await nodes[0].times("started") == 6


async def test_a_worker_at_any_server_is_given_what_was_asked_for_at_another(
    nodes: list[Node], agent: Json
) -> None:
    waiting = asyncio.create_task(claimed(nodes[2].api, "Clerk", wait_seconds=SECONDS))

    id_ = await asked(nodes[0].api, agent)

    (work,) = await waiting
    assert work.id == id_


# A worker that goes from server to server.


async def test_a_worker_goes_on_at_another_server_at_once(nodes: list[Node], agent: Json) -> None:
    """However little time the other server had to hear of its lease."""
    for number in range(20):
        first, second, third = (nodes[(number + n) % 3].api for n in range(3))
        await asked(second, agent)
        (work,) = await claimed(first, "Clerk", wait_seconds=SECONDS)

        replies = [
            await at(second, work).post("heartbeat"),
            await at(third, work).post("frames", CONTENT),
            await at(second, work).post("usage", {"model": "m", "prompt_tokens": 1}),
            await at(third, work).post("heartbeat"),
            await at(second, work).post("complete", {"output": {}}),
        ]

        assert [reply.status for reply in replies] == [200] * 5, [each.text for each in replies]


async def test_a_worker_whose_server_ended_goes_on_at_another() -> None:
    async with AsyncExitStack() as stack:
        url = stack.enter_context(fresh_schema())
        settings = quick_settings(url)
        second = await stack.enter_async_context(node(settings))
        async with node(settings) as first:
            await asked(first.api, await registered(first.api, "Clerk"))
            (work,) = await claimed(first.api, "Clerk", wait_seconds=SECONDS)
            await work.post("frames", CONTENT)

        there = at(second.api, work)
        assert (await there.post("heartbeat")).status == 200
        assert (await there.post("frames", CONTENT)).status == 200
        assert (await there.post("complete", {"output": {}})).status == 200
        expected = ["created", "started", "content_streamed", "content_streamed", "completed"]
        assert await there.types() == expected


async def test_a_server_that_is_behind_asks_the_log_whose_the_work_is(
    nodes: list[Node], agent: Json
) -> None:
    first, behind, _ = nodes
    await asked(first.api, agent)
    (before,) = await claimed(first.api, "Clerk", wait_seconds=SECONDS)
    await until(lambda: _knows(behind, before.id))
    with kept_behind(behind) as is_behind:
        await first.api.post("/executions", {"agent_id": agent["id"], "input": {}})
        await until(is_behind)

        await before.post("release")
        (work,) = await claimed(first.api, "Clerk", wait_seconds=SECONDS)
        replies = [await at(behind.api, work).post("heartbeat") for _ in range(2)]

    assert [reply.status for reply in replies] == [200, 200]
    assert (await at(behind.api, work).post("complete", {"output": {}})).status == 200


async def _knows(node: Node, id_: str) -> bool:
    return node.standing.leases.of(id_) is not None


@contextmanager
def kept_behind(node: Node) -> Iterator[Callable[[], Awaitable[bool]]]:
    """A server that follows the others up to their next commit only; tells when it is there."""
    holding, go_on = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        holding.set()
        go_on.wait(60)

    async def is_holding() -> bool:
        return holding.is_set()

    node.services.ledger.subscribe(hold)
    try:
        yield is_holding
    finally:
        go_on.set()


async def test_whoever_lost_the_lease_at_one_server_is_refused_at_the_others(
    nodes: list[Node], agent: Json, clock: HandClock
) -> None:
    await asked(nodes[0].api, agent)
    (silent,) = await claimed(nodes[0].api, "Clerk", wait_seconds=SECONDS)
    clock.advance(2 * LEASE_SECONDS)

    (other,) = await claimed(nodes[1].api, "Clerk", wait_seconds=SECONDS)

    assert (other.id, other.given["attempt"]) == (silent.id, 2)
    for each in nodes:
        assert_problem(await at(each.api, silent).post("frames", CONTENT), 400, "lease_lost")
        assert_problem(await at(each.api, silent).post("heartbeat"), 400, "lease_lost")
        assert (await at(each.api, other).post("heartbeat")).status == 200


# Silence.


async def test_a_worker_that_one_server_hears_is_lost_to_none(
    nodes: list[Node], agent: Json, clock: HandClock
) -> None:
    await asked(nodes[0].api, agent)
    (work,) = await claimed(nodes[0].api, "Clerk", wait_seconds=SECONDS)
    for _ in range(2):
        clock.advance(0.8 * LEASE_SECONDS)
        assert (await work.post("heartbeat")).status == 200
        await until(lambda: told(nodes[0], work.id))

    await until(lambda: _each_counts_on(nodes, work.id, clock))

    assert await work.types() == ["created", "started"]


async def told(node: Node, id_: str) -> bool:
    """Whether a server has told the others of all that it heard of an execution's worker."""
    return not node.standing.hearing._news  # noqa: SLF001 - nobody needs to know but this test


async def _each_counts_on(nodes: list[Node], id_: str, clock: HandClock) -> bool:
    """Whether every server that had a doubt has asked."""
    leases = [node.standing.leases.of(id_) for node in nodes]
    return all(each is not None and (each.until or 0) > clock.monotonic() for each in leases)


async def test_executions_of_silent_workers_are_taken_back_once(
    nodes: list[Node], agent: Json, clock: HandClock
) -> None:
    ids = [await asked(nodes[n % 3].api, agent) for n in range(12)]
    for each in nodes:
        assert len(await claimed(each.api, "Clerk", most=4, wait_seconds=SECONDS)) == 4

    clock.advance(2 * LEASE_SECONDS)
    for each in nodes:
        assert len(await claimed(each.api, "Clerk", most=4, wait_seconds=SECONDS)) >= 1
    await until(lambda: _times(nodes[0], "worker_lost", 12))
    while await claimed(nodes[0].api, "Clerk", most=12, wait_seconds=0):
        pass
    clock.advance(2 * LEASE_SECONDS)
    await until(lambda: ended(nodes[1], ids))

    assert await nodes[0].times("worker_lost") == 24
    assert await nodes[0].times("failed") == 12
    assert [len(each.standing.leases) for each in nodes] == [0, 0, 0]


async def _times(node: Node, type_: str, times: int) -> bool:
    return await node.times(type_) >= times


async def test_work_that_takes_too_long_is_ended_once(
    nodes: list[Node], agent: Json, clock: HandClock
) -> None:
    version = {"version": "1", "config": {"max_duration_s": 3}}
    assert (await nodes[0].api.post(f"/agents/{agent['id']}/versions", version)).status == 201
    ids = [await asked(nodes[n % 3].api, agent) for n in range(6)]
    assert len(await claimed(nodes[1].api, "Clerk", most=6, wait_seconds=SECONDS)) >= 1
    while await claimed(nodes[1].api, "Clerk", most=6, wait_seconds=0):
        pass

    clock.advance(4)

    await until(lambda: ended(nodes[2], ids))
    assert await nodes[0].times("failed") == 6
    assert await nodes[0].times("worker_lost") == 0


# Cancellation.


async def test_a_cancellation_reaches_at_once_the_worker_that_waits_at_another_server(
    nodes: list[Node], agent: Json
) -> None:
    await asked(nodes[0].api, agent)
    (work,) = await claimed(nodes[0].api, "Clerk", wait_seconds=SECONDS)
    waiting = asyncio.create_task(work.post("heartbeat", {"wait_seconds": SECONDS}))
    await until(lambda: _is_read(nodes[0]))

    await nodes[1].api.post(f"/executions/{work.id}/cancel", {"reason": "too dear"})

    async with asyncio.timeout(20):
        assert (await waiting).data["cancellation_requested"] is True
    confirmed = await at(nodes[2].api, work).post("cancel", {"confirm": True})
    assert confirmed.data["status"] == "cancelled"


async def _is_read(node: Node) -> bool:
    return node.services.hub.readers > 0


async def test_a_cancellation_over_the_workers_head_happens_once(
    nodes: list[Node], agent: Json, clock: HandClock
) -> None:
    ids = [await asked(nodes[0].api, agent) for _ in range(5)]
    given: list[Work] = []
    while len(given) < 5:
        given += await claimed(nodes[1].api, "Clerk", most=5, wait_seconds=SECONDS)
    for number, id_ in enumerate(ids):
        await nodes[number % 3].api.post(f"/executions/{id_}/cancel")
    await until(lambda: _know(nodes, ids))

    clock.advance(6)

    await until(lambda: ended(nodes[2], ids))
    assert await nodes[0].times("cancelled") == 5
    assert await nodes[0].times("cancellation_requested") == 5


async def _know(nodes: list[Node], ids: list[str]) -> bool:
    return all(node.standing.overdue.is_cancelling(id_) for node in nodes for id_ in ids)


# Humans.


async def test_a_worker_goes_on_after_an_answer_that_another_server_was_given(
    nodes: list[Node], agent: Json
) -> None:
    await asked(nodes[0].api, agent)
    (work,) = await claimed(nodes[0].api, "Clerk", wait_seconds=SECONDS)
    await work.post("approvals", {"checkpoint_name": "send"})
    waiting = asyncio.create_task(work.post("go-on", {"wait_seconds": SECONDS}))
    await until(lambda: _is_read(nodes[0]))

    assert (await nodes[1].api.post(f"/executions/{work.id}/approve")).status == 200

    async with asyncio.timeout(20):
        went_on = (await waiting).data
    assert (went_on["status"], went_on["attempt"]) == ("running", 1)
    assert (await at(nodes[2].api, work).post("complete", {"output": {}})).status == 200


async def test_what_a_parked_worker_let_go_is_given_to_another_at_any_server(
    nodes: list[Node], agent: Json
) -> None:
    """Without a lease's time: by the clock of the servers none of it passes."""
    await asked(nodes[0].api, agent)
    (work,) = await claimed(nodes[0].api, "Clerk", wait_seconds=SECONDS)
    await work.post("approvals", {"checkpoint_name": "send"})
    assert (await work.post("release")).status == 200

    assert (await nodes[1].api.post(f"/executions/{work.id}/approve")).status == 200

    (other,) = await claimed(nodes[2].api, "Clerk", wait_seconds=SECONDS)
    assert (other.id, other.given["attempt"]) == (work.id, 2)
    assert (await other.post("complete", {"output": {}})).status == 200


async def test_a_worker_that_does_not_come_back_after_an_answer_has_lost_the_run(
    nodes: list[Node], agent: Json, clock: HandClock
) -> None:
    await asked(nodes[0].api, agent)
    (work,) = await claimed(nodes[0].api, "Clerk", wait_seconds=SECONDS)
    await work.post("approvals", {"checkpoint_name": "send"})
    clock.advance(100 * LEASE_SECONDS)
    await nodes[1].api.post(f"/executions/{work.id}/approve")
    await until(lambda: _each_counts_on(nodes, work.id, clock))
    assert await claimed(nodes[2].api, "Clerk", wait_seconds=0) == []

    clock.advance(2 * LEASE_SECONDS)

    (other,) = await claimed(nodes[2].api, "Clerk", wait_seconds=SECONDS)
    assert other.id == work.id
    assert_problem(await work.post("go-on", {"wait_seconds": 0}), 400, "lease_lost")


async def test_nobody_goes_on_by_a_lease_that_only_a_server_behind_the_log_remembers(
    nodes: list[Node], agent: Json
) -> None:
    await asked(nodes[0].api, agent)
    (work,) = await claimed(nodes[0].api, "Clerk", wait_seconds=SECONDS)
    await work.post("release")
    (other,) = await claimed(nodes[2].api, "Clerk", wait_seconds=SECONDS)
    leases = nodes[0].app[STANDING].leases
    await until(lambda: _is_known(leases, digest_of_token(other.given["lease"]["token"]), work.id))

    leases.grant(work.id, "default", digest_of_token(work.given["lease"]["token"]))

    assert_problem(await work.post("go-on", {"wait_seconds": 0}), 400, "lease_lost")


async def _is_known(leases: Leases, digest: str, id_: str) -> bool:
    return leases.digest_of(id_) == digest


# What is left of it.


async def test_what_is_over_leaves_no_heartbeats(nodes: list[Node], agent: Json) -> None:
    works: list[Work] = []
    for number in range(6):
        await asked(nodes[number % 3].api, agent)
        works += await claimed(nodes[number % 3].api, "Clerk", wait_seconds=SECONDS)
    for work in works:
        for each in nodes:
            assert (await at(each.api, work).post("heartbeat")).status == 200
    url = nodes[0].services.settings.database
    await until(lambda: _are_told(url, 6))

    for work in works:
        assert (await work.post("complete", {"output": {}})).status == 200

    await until(lambda: _are_told(url, 0))


async def _are_told(url: str, number: int) -> bool:
    count = "SELECT count(*) FROM heartbeats WHERE lease <> ''"
    return (await asyncio.to_thread(fetched_from, url, count)) == [(number,)]
