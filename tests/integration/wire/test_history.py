"""The audit history: who did what, when, in which order; of one run and of a whole workspace."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import orjson
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient

from server.services import Services
from tests.integration.api import Api, Json, assert_problem

SETTINGS = {"heartbeat_seconds": 0.05}
pytestmark = [pytest.mark.both_stores, pytest.mark.asyncio(loop_scope="module")]

CONTENT = {"type": "content", "content": "x"}
SECONDS = 20


async def events_of(api: Api, path: str, **query: Any) -> list[Json]:
    """Every page of a history, one after the other."""
    found: list[Json] = []
    after, more = query.pop("after", 0), True
    while more:
        page = await api.get(path, after=after, **query)
        found += page.data
        after, more = page.meta["next_after"], page.meta["has_more"]
        assert page.meta["next_cursor"] == (str(after) if more else None)
    return found


async def test_a_history_is_in_order_and_says_who_and_what(api: Api, parked: str) -> None:
    await api.post(f"/executions/{parked}/deny", {"reason": "no", "actor": {"id": "mallory"}})

    events = await events_of(api, f"/executions/{parked}/events")

    assert [event["type"] for event in events] == [
        "created", "started", "approval_requested", "rejected",
    ]  # fmt: skip
    assert [event["sequence"] for event in events] == [1, 2, 3, 4]
    assert sorted(event["position"] for event in events) == [e["position"] for e in events]
    assert {event["aggregate_id"] for event in events} == {parked}
    assert len({event["id"] for event in events}) == 4
    for event in events:
        assert event["actor"] == {"type": "user", "id": "loopback", "auth": "loopback"}
        assert event["trace_id"] == events[0]["trace_id"]
        assert event["schema"] >= 1


async def test_the_total_of_a_history_is_that_of_the_types_asked_for(
    api: Api, running: str
) -> None:
    await api.post(f"/executions/{running}/frames", [CONTENT] * 3)

    every, some, two = [
        (await api.get(f"/executions/{running}/events", limit=1, **asked)).meta
        for asked in ({}, {"type": "content_streamed"}, {"type": "created, started", "after": 1})
    ]

    assert (every["total"], some["total"], two["total"]) == (5, 3, 2)
    assert (some["pages"], some["has_more"]) == (3, True)


async def test_the_total_of_everything_is_counted_or_called_an_estimate(
    api: Api, running: str
) -> None:
    await api.post(f"/executions/{running}/cancel")
    await api.post(f"/executions/{running}/annotate", {"metadata": {"seen": True}})

    whole = await api.get("/events", type="started,annotated", limit=1000)
    page = await api.get("/events", type="started,annotated", limit=1)

    assert (whole.meta["total"], whole.meta["has_more"]) == (len(whole.data), False)
    assert "total_is_estimate" not in whole.meta
    assert (page.meta["total_is_estimate"], page.meta["has_more"]) == (True, True)
    assert page.meta["total"] >= len(whole.data)


async def test_a_request_is_named_in_the_envelope_of_what_it_recorded(
    api: Api, running: str
) -> None:
    path = f"/executions/{running}"

    reply = await api.call("POST", f"{path}/frames", CONTENT, headers={"X-Request-Id": "req-7"})
    other = await api.call("POST", f"{path}/frames", CONTENT, headers={"X-Request-Id": "a b"})

    given, made = await events_of(api, f"{path}/events", after=2)
    assert (reply.headers["X-Request-Id"], given["request_id"]) == ("req-7", "req-7")
    assert other.headers["X-Request-Id"] == made["request_id"] != "a b"


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
async def test_pages_follow_each_other_to_the_end(api: Api, running: str, limit: int) -> None:
    await api.post(f"/executions/{running}/frames", [CONTENT] * 4)

    events = await events_of(api, f"/executions/{running}/events", limit=limit)

    assert [event["sequence"] for event in events] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_a_limit_out_of_bounds_becomes_a_hundred(api: Api, running: str, limit: int) -> None:
    page = await api.get(f"/executions/{running}/events", limit=limit)

    assert (page.meta["limit"], len(page.data)) == (100, 2)


async def test_only_events_of_the_types_asked_for_are_shown(api: Api, running: str) -> None:
    await api.post(f"/executions/{running}/frames", [CONTENT, {**CONTENT, "type": "thinking"}])
    path = f"/executions/{running}/events"

    found = await events_of(api, path, type="content_streamed, created", limit=1)

    assert [event["sequence"] for event in found] == [1, 3]
    assert_problem(await api.get(path, type="approval"), 400, "invalid_query", "approval")


@pytest.mark.parametrize("query", [{"after": -1}, {"after": "x"}, {"page": 2}, {"limit": "x"}])
async def test_a_history_refuses_what_it_does_not_know(api: Api, running: str, query: Json) -> None:
    for path in ("/events", f"/executions/{running}/events"):
        assert_problem(await api.get(path, **query), 400, "invalid_query", *query)


async def test_the_ledger_shows_a_workspace_its_own_events_only(api: Api, running: str) -> None:
    other = api.using("", "workspace-of-others")
    theirs = (await other.post("/executions", {"agent": "Scribe"})).data["id"]

    mine = await events_of(api, "/events")
    others = await events_of(other, "/events")

    assert running in {event["aggregate_id"] for event in mine}
    assert theirs in {event["aggregate_id"] for event in others}
    assert {e["position"] for e in mine}.isdisjoint(e["position"] for e in others)
    assert_problem(await other.get(f"/executions/{running}/events"), 404, "not_found")


async def test_thousands_of_events_are_paged_without_gap_or_double(api: Api, running: str) -> None:
    for _ in range(5):
        await api.post(f"/executions/{running}/frames", [CONTENT] * 500)

    page = await api.get("/events", limit=1000, type="content_streamed")
    events = await events_of(api, "/events", limit=1000)

    assert (len(page.data), page.meta["has_more"]) == (1000, True)
    positions = [event["position"] for event in events]
    assert positions == sorted(set(positions))
    assert [e["sequence"] for e in events if e["aggregate_id"] == running] == list(range(1, 2503))


# The feed.


class Feed:
    """Whoever follows the ledger."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response

    async def block(self) -> bytes:
        """The next frame or comment."""
        async with asyncio.timeout(SECONDS):
            return await self.response.content.readuntil(b"\n\n")

    async def next(self) -> Json:
        """The next event."""
        while not (block := await self.block()).startswith(b"event: "):
            assert block in (b": heartbeat\n\n", b"retry: 2000\n\n")
        name, id_, data = block.decode().strip().split("\n")
        event: Json = orjson.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert id_ == f"id: {event['position']}"
        return event


@asynccontextmanager
async def feed(
    client: TestClient[Any, Any], workspace: str, after: int = 0, **headers: str
) -> AsyncIterator[Feed]:
    given = {"Accept": "text/event-stream", "X-Workspace-ID": workspace}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.get(f"/api/v1/events?after={after}", headers=given) as response:
        assert response.status == 200
        yield Feed(response)


async def announced(client: TestClient[Any, Any], workspace: str) -> None:
    headers = {"X-Workspace-ID": workspace}
    async with client.post("/api/v1/executions", json={"agent": "A"}, headers=headers) as reply:
        assert reply.status == 201


async def test_a_feed_catches_up_and_then_follows(client: TestClient[Any, Any]) -> None:
    await announced(client, "feed-1")

    async with feed(client, "feed-1") as following:
        caught_up = {(await following.next())["type"] for _ in range(3)}
        for _ in range(3):
            await announced(client, "other")
            await announced(client, "feed-1")
            assert (await following.next())["type"] == "created"

    assert caught_up == {"registered", "claimed", "created"}


async def test_a_feed_resumes_after_the_last_event_that_was_seen(
    client: TestClient[Any, Any],
) -> None:
    for _ in range(4):
        await announced(client, "feed-2")
    async with feed(client, "feed-2") as following:
        events = [await following.next() for _ in range(6)]

    for seen, expected in pairwise(events):
        last = str(seen["position"])
        async with feed(client, "feed-2", Last_Event_ID=last) as following:
            assert await following.next() == expected
        async with feed(client, "feed-2", seen["position"]) as following:
            assert await following.next() == expected


async def test_a_feed_shows_events_as_a_page_does(client: TestClient[Any, Any]) -> None:
    api = Api(client, X_Workspace_ID="feed-3")
    await announced(client, "feed-3")

    async with feed(client, "feed-3") as following:
        events = [await following.next() for _ in range(3)]

    assert events == await events_of(api, "/events")


async def test_a_feed_beats_though_all_that_is_recorded_is_somebody_elses(
    client: TestClient[Any, Any], services: Services
) -> None:
    stop = asyncio.Event()

    async def be_busy() -> None:
        while not stop.is_set():
            await announced(client, "busy")

    async with feed(client, "feed-4") as following:
        assert await following.block() == b"retry: 2000\n\n"
        busy = [asyncio.create_task(be_busy()) for _ in range(4)]
        before = services.ledger.position
        blocks = [await following.block() for _ in range(5)]
        after = services.ledger.position
        stop.set()
        await asyncio.gather(*busy)

    assert blocks == [b": heartbeat\n\n"] * 5
    assert 0 < after - before < 2_000


async def test_a_feed_counts_among_the_open_streams(
    client: TestClient[Any, Any], services: Services
) -> None:
    async with feed(client, "feed-5") as following:
        await following.block()

        assert services.hub.readers == 1
    async with asyncio.timeout(SECONDS):
        while services.hub.readers:
            await announced(client, "feed-5")


async def test_a_cursor_that_is_no_number_is_refused_before_the_feed_begins(
    client: TestClient[Any, Any],
) -> None:
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "x"}

    async with client.get("/api/v1/events", headers=headers) as response:
        assert response.status == 400
        assert response.content_type == "application/problem+json"
