"""Streams on the wire: their headers, heartbeats, pace and ends, and readers that misbehave."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, TCPConnector
from aiohttp.test_utils import TestClient, TestServer

from server.app import build_app
from server.frames import HEARTBEAT, PREAMBLE
from server.services import Services
from tests.integration.api import PREFIX, Api, Json
from tests.integration.conftest import settings_in, started

SETTINGS = {"heartbeat_seconds": 0.05}
pytestmark = [pytest.mark.both_stores, pytest.mark.asyncio(loop_scope="module")]

Client = TestClient[Any, Any]
CONTENT = {"type": "content", "content": "x"}
SECONDS = 20


@asynccontextmanager
async def stream(
    client: Client, api: Api, path: str, **headers: str
) -> AsyncIterator[ClientResponse]:
    """An open stream, in the workspace of the one who asks."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    given["X-Workspace-ID"] = api.workspace
    async with client.get(f"{PREFIX}/executions/{path}", headers=given) as response:
        yield response


async def blocks(response: ClientResponse, number: int) -> list[bytes]:
    """The next frames and comments."""
    async with asyncio.timeout(SECONDS):
        return [await response.content.readuntil(b"\n\n") for _ in range(number)]


async def frames(response: ClientResponse) -> bytes:
    """Every frame to the end of the stream."""
    async with asyncio.timeout(SECONDS):
        text = await response.read()
    assert text.startswith(PREAMBLE)
    return text.removeprefix(PREAMBLE).replace(HEARTBEAT, b"")


async def readers_are(number: int, services: Services, api: Api) -> None:
    """Wait until there are so many readers."""
    async with asyncio.timeout(SECONDS):
        while services.hub.readers != number:
            await api.get("//healthz")


@pytest.mark.parametrize("path", ["stream", "replay"])
async def test_a_stream_has_the_headers_of_the_contract(
    client: Client, api: Api, running: str, path: str
) -> None:
    async with stream(
        client, api, f"{running}/{path}", Accept_Encoding="gzip, deflate, br"
    ) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-store, no-transform"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert "Content-Encoding" not in response.headers
        assert await blocks(response, 1) == [b"retry: 2000\n\n"]


async def test_an_idle_stream_beats_between_frames(client: Client, api: Api, running: str) -> None:
    async with stream(client, api, f"{running}/stream") as response:
        first = await blocks(response, 5)
        await api.post(f"/executions/{running}/frames", CONTENT)
        await api.post(f"/executions/{running}/complete", {"output": {}})
        rest = await response.read()

    assert first[0] == PREAMBLE
    assert first[1].startswith(b"event: execution\nid: 1\n")
    assert first[2].startswith(b"event: status\nid: 2\n")
    assert first[3:] == [HEARTBEAT, HEARTBEAT]
    names = [line for line in rest.split(b"\n") if line.startswith((b"event", b"retry"))]
    assert names == [b"event: content", b"event: done"]
    assert rest.endswith(b"}\n\n")


async def test_a_parked_run_keeps_its_stream_open(client: Client, api: Api, parked: str) -> None:
    async with stream(client, api, f"{parked}/stream") as response:
        waiting = await blocks(response, 7)
        await api.post(f"/executions/{parked}/approve")
        await api.post(f"/executions/{parked}/start")
        await api.post(f"/executions/{parked}/fail", {"error": "no"})
        rest = await frames_after(response)

    assert waiting[3].startswith(b"event: approval\nid: 3\n")
    assert waiting[4:] == [HEARTBEAT] * 3
    names = [line for line in rest.split(b"\n") if line.startswith(b"event")]
    assert names == [b"event: status", b"event: status", b"event: error"]


async def frames_after(response: ClientResponse) -> bytes:
    async with asyncio.timeout(SECONDS):
        return (await response.read()).replace(HEARTBEAT, b"")


ENDINGS = [
    ("complete", {}, b"done"),
    ("fail", {"error": "no"}, b"error"),
    ("cancel", {"confirm": True}, b"error"),
]


@pytest.mark.parametrize(("step", "body", "name"), ENDINGS)
async def test_a_stream_closes_after_its_last_frame(
    client: Client, api: Api, running: str, step: str, body: Json, name: bytes
) -> None:
    async with stream(client, api, f"{running}/stream") as response:
        await api.post(f"/executions/{running}/{step}", body)
        await api.post(f"/executions/{running}/annotate", {"metadata": {"late": True}})
        live = await frames(response)

    assert live.split(b"\n\n")[-2].startswith(b"event: " + name + b"\nid: 3\n")
    assert live.count(b"event: done") + live.count(b"event: error") == 1


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "9" * 30])
async def test_a_cursor_that_is_no_number_is_refused(
    client: Client, api: Api, running: str, cursor: str
) -> None:
    async with stream(client, api, f"{running}/stream", Last_Event_ID=cursor) as response:
        assert response.status == 400
        assert response.content_type == "application/problem+json"
        assert (await response.json())["error"]["code"] == "validation_error"


@pytest.mark.parametrize("query", ["speed=nan", "speed=-1", "speed=1001", "until=0", "from=1"])
async def test_a_replay_that_cannot_be_is_refused(
    client: Client, api: Api, running: str, query: str
) -> None:
    async with stream(client, api, f"{running}/replay?{query}") as response:
        assert response.status == 400
        assert (await response.json())["error"]["code"] == "invalid_query"


async def test_an_unknown_run_is_not_found_before_any_stream(
    client: Client, api: Api, agent: Json
) -> None:
    for id_ in ("0" * 27, agent["id"]):
        for path in ("stream", "replay"):
            async with stream(client, api, f"{id_}/{path}") as response:
                assert response.status == 404
                assert (await response.json())["error"]["code"] == "not_found"


async def test_a_replay_keeps_the_recorded_pace_if_asked(
    client: Client, api: Api, running: str
) -> None:
    clock = asyncio.get_running_loop().time
    for _ in range(3):
        await asyncio.sleep(0.2)  # what is recorded here is time itself
        await api.post(f"/executions/{running}/frames", CONTENT)

    took = {}
    texts = []
    for speed in ("1", "10", "0"):
        began = clock()
        async with stream(client, api, f"{running}/replay?speed={speed}") as response:
            texts.append(await frames(response))
        took[speed] = clock() - began

    assert took["1"] >= 0.3
    assert took["0"] < took["1"]
    assert texts[0] == texts[1] == texts[2]


@pytest.mark.parametrize("frames_recorded", [3, 300])
@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("after", [0, 2, 150])
async def test_a_replay_that_is_at_hand_whole_tells_its_length_ahead(
    client: Client, api: Api, running: str, frames_recorded: int, ended: bool, after: int
) -> None:
    await api.post(f"/executions/{running}/frames", [CONTENT] * frames_recorded)
    if ended:
        await api.post(f"/executions/{running}/complete", {})
    path = f"{running}/replay?starting_after={after}"

    async with stream(client, api, path) as read_from_the_store:
        first = await frames(read_from_the_store)
    async with stream(client, api, path) as at_hand:
        second = await frames(at_hand)
        length = at_hand.content_length

    assert second == first
    expected = len(PREAMBLE) + len(first)
    assert length == (expected if first else None)


async def test_a_replay_goes_on_where_the_run_went_on(
    client: Client, api: Api, running: str
) -> None:
    """What is kept of a run that has not ended must not hide what came after it."""
    texts = []
    for _ in range(3):
        await api.post(f"/executions/{running}/frames", [CONTENT] * 120)
        for _ in range(2):
            async with stream(client, api, f"{running}/replay") as response:
                texts.append(await frames(response))

    assert [text.count(b"\nid: ") for text in texts] == [122, 122, 242, 242, 362, 362]
    assert texts[4].startswith(texts[2])
    assert texts[2].startswith(texts[0])


async def test_a_paced_replay_beats_while_nothing_happens(
    client: Client, api: Api, running: str
) -> None:
    await asyncio.sleep(0.02)  # at a thousandth of the pace these are twenty seconds
    await api.post(f"/executions/{running}/frames", CONTENT)

    async with stream(client, api, f"{running}/replay?speed=0.001&starting_after=1") as response:
        first = await blocks(response, 5)

    assert first[2:] == [HEARTBEAT] * 3


async def test_a_hundred_readers_get_the_same_bytes(
    client: Client, api: Api, running: str, services: Services
) -> None:
    async def read() -> bytes:
        headers = {"X-Workspace-ID": api.workspace}
        async with crowd.get(url, headers=headers) as response:
            return await frames(response)

    url = client.make_url(f"{PREFIX}/executions/{running}/stream")
    crowd = ClientSession(connector=TCPConnector(limit=0))
    readers = [asyncio.create_task(read()) for _ in range(100)]
    async with asyncio.timeout(SECONDS):
        while services.hub.readers < 100:
            await api.post(f"/executions/{running}/frames", CONTENT)
    await api.post(f"/executions/{running}/complete", {})

    seen = await asyncio.gather(*readers)
    await crowd.close()
    async with stream(client, api, f"{running}/replay") as response:
        assert set(seen) == {await frames(response)}
    await readers_are(0, services, api)


async def test_a_reader_that_leaves_is_forgotten_and_the_run_goes_on(
    client: Client, api: Api, running: str, services: Services
) -> None:
    async with stream(client, api, f"{running}/stream") as response:
        await blocks(response, 3)
        assert services.hub.readers == 1
        response.close()

    await readers_are(0, services, api)
    assert (await api.post(f"/executions/{running}/complete")).status == 200


async def test_a_reader_that_never_reads_delays_nobody(
    client: Client, api: Api, running: str, services: Services
) -> None:
    large = {"type": "content", "content": "x" * 100_000}
    path = f"{PREFIX}/executions/{running}/stream"
    with socket.create_connection((client.host, client.port)) as deaf:
        deaf.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
            f"X-Workspace-ID: {api.workspace}\r\n\r\n".encode()
        )
        async with stream(client, api, f"{running}/stream") as response:
            await readers_are(2, services, api)
            for _ in range(20):
                await api.post(f"/executions/{running}/frames", [large] * 5)
            await api.post(f"/executions/{running}/complete")
            text = await frames(response)
        await readers_are(1, services, api)

    assert text.count(b"event: content") == 100
    await readers_are(0, services, api)


async def test_the_end_of_the_server_is_the_end_of_its_streams(tmp_path: Path) -> None:
    """Also of a replay that has hours to go, and without waiting for the next heartbeat."""
    app = build_app(settings_in(tmp_path), worker=False)
    server = TestServer(app, handler_cancellation=True)
    async with TestClient(server) as client:
        api = Api(client)
        agent = (await api.post("/agents", {"name": "Scribe"})).data
        id_ = await started(api, agent["id"])
        await asyncio.sleep(0.02)
        await api.post(f"/executions/{id_}/frames", CONTENT)
        path = f"{PREFIX}/executions/{id_}"
        follows = await client.get(f"{path}/stream")
        paced = await client.get(f"{path}/replay?speed=0.00001&starting_after=1")
        feed = await client.get(f"{PREFIX}/events", headers={"Accept": "text/event-stream"})
        for response in (follows, paced, feed):
            await blocks(response, 2)

        async with asyncio.timeout(8):
            await server.close()

        for response in (follows, paced, feed):
            assert (await response.read()).endswith(b"\n")
