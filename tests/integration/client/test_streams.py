"""Streams come to their end, without a gap or a double, however often the network breaks."""

import threading
from itertools import islice
from typing import Any

import pytest

from ledger_client import (
    AsyncLedger,
    ConnectionFailed,
    ContentEvent,
    DoneEvent,
    ErrorEvent,
    ExecutionEvent,
    Ledger,
    NotFound,
    StartedEvent,
    StatusEvent,
    ThinkingEvent,
    ToolEndEvent,
    ToolStartEvent,
    UsageEvent,
)
from tests.integration.client.both import all_of
from tests.integration.client.conftest import settings_in
from tests.integration.client.sockets import answer, free_port, proxy_to, scripted
from tests.live_server import Caller, live_server

FRAMES = [
    {"type": "thinking", "content": "é" * 40},
    {"type": "tool_start", "id": "t", "name": "n", "input": {"a": 1}},
    {"type": "tool_end", "id": "t", "name": "n", "output": [1], "summary": "one"},
    *({"type": "content", "content": f"piece {n}"} for n in range(30)),
    {"type": "usage", "model": "m", "prompt_tokens": 3, "completion_tokens": 2},
]
KINDS = [StartedEvent, StatusEvent, ThinkingEvent, ToolStartEvent, ToolEndEvent]
KINDS += [ContentEvent] * 30 + [UsageEvent, DoneEvent]


def begun(server: Caller) -> str:
    id_: str = server.post("/executions", {"agent": "a", "input": {}})["id"]
    server.post(f"/executions/{id_}/start")
    server.post(f"/executions/{id_}/frames", FRAMES)
    return id_


def finished(server: Caller) -> str:
    id_ = begun(server)
    server.post(f"/executions/{id_}/complete", {"output": {"n": 30}})
    return id_


def sequences(events: list[ExecutionEvent]) -> list[int]:
    return [event.sequence for event in events]


async def test_a_finished_run_is_streamed_whole_and_typed(client: Any, server: Caller) -> None:
    events = await all_of(client.executions.stream(finished(server)))

    assert [type(event) for event in events] == KINDS
    assert events[0].execution_id
    assert events[4].summary == "one"
    assert (events[-1].output, events[-1].token_usage.total_tokens) == ({"n": 30}, 5)
    assert sequences(events) == sorted(set(sequences(events)))


async def test_a_finished_run_can_be_asked_for_its_last_event_alone(
    client: Any, server: Caller
) -> None:
    (event,) = await all_of(client.executions.stream(finished(server), replay=False))

    assert isinstance(event, DoneEvent)


async def test_a_stream_begins_after_what_was_seen(client: Any, server: Caller) -> None:
    id_ = finished(server)
    whole = await all_of(client.executions.stream(id_))

    rest = await all_of(client.executions.stream(id_, starting_after=whole[9].sequence))
    nothing = await all_of(client.executions.stream(id_, starting_after=whole[-1].sequence))

    assert rest == whole[10:]
    assert nothing == []


async def test_a_replay_ends_where_the_recording_does(client: Any, server: Caller) -> None:
    id_ = begun(server)

    events = await all_of(client.executions.replay(id_))
    part = await all_of(client.executions.replay(id_, starting_after=3, until=5, speed=1000))

    assert [type(event) for event in events] == KINDS[:-1]
    assert sequences(part) == [4, 5]


async def test_a_run_that_fails_ends_with_an_error(client: Any, server: Caller) -> None:
    id_ = begun(server)
    server.post(f"/executions/{id_}/fail", {"error": "no more"})

    *_, last = await all_of(client.executions.stream(id_))

    assert isinstance(last, ErrorEvent)
    assert (last.message, last.status, last.is_last) == ("no more", "failed", True)


async def test_a_stream_of_nothing_is_refused(client: Any) -> None:
    with pytest.raises(NotFound):
        await all_of(client.executions.stream("0" * 27))


def test_a_run_in_flight_is_seen_as_it_happens(ledger: Ledger, server: Caller) -> None:
    id_ = begun(server)

    with ledger.executions.stream(id_) as stream:
        seen = list(islice(stream, len(KINDS) - 1))
        server.post(f"/executions/{id_}/frames", {"type": "content", "content": "late"})
        late = next(stream)
        server.post(f"/executions/{id_}/complete")
        (done,) = list(stream)

    assert isinstance(late, ContentEvent)
    assert late.content == "late"
    assert sequences([*seen, late, done]) == list(range(1, done.sequence + 1))
    assert stream.last_sequence == done.sequence


def test_leaving_a_stream_early_stops_nothing(ledger: Ledger, server: Caller) -> None:
    id_ = begun(server)

    with ledger.executions.stream(id_) as stream:
        next(stream)

    assert list(stream) == []
    assert ledger.executions.get(id_).status == "running"


@pytest.mark.parametrize(
    "cuts",
    [
        pytest.param([0, 90, 250], id="before the first frame"),
        pytest.param([399, 400, 401, 402], id="in the first frames"),
        pytest.param([690, 691, 692, 693], id="a byte more each time"),
        pytest.param([1000, 1500, 2000], id="later and later"),
    ],
)
async def test_a_connection_that_is_cut_anywhere_loses_and_repeats_nothing(
    server: Caller, cuts: list[int]
) -> None:
    id_ = finished(server)

    with (
        proxy_to(server.port, [*cuts]) as proxy,
        Ledger(f"http://127.0.0.1:{proxy.port}", spill=False) as ledger,
    ):
        blocking = list(ledger.executions.stream(id_))
    with proxy_to(server.port, [*cuts]) as proxy:
        async with AsyncLedger(f"http://127.0.0.1:{proxy.port}", spill=False) as client:
            awaited = await all_of(client.executions.stream(id_))

    assert proxy.connections > 2
    assert [type(event) for event in blocking] == KINDS
    assert blocking == awaited
    assert sequences(blocking) == list(range(1, len(KINDS) + 1))


def test_a_server_that_restarts_is_waited_for(tmp_path: Any) -> None:
    port = free_port()
    settings = settings_in(tmp_path, heartbeat_seconds=0.1)
    with Ledger(f"http://127.0.0.1:{port}", spill=False) as ledger:
        with live_server(settings, port=port) as server:
            id_ = begun(server)
            stream = ledger.executions.stream(id_)
            before = list(islice(stream, 5))
        rest: list[ExecutionEvent] = []
        reader = threading.Thread(target=lambda: rest.extend(stream))
        reader.start()
        with live_server(settings, port=port) as server:
            server.post(f"/executions/{id_}/complete")
            reader.join(20)

    assert sequences(before + rest) == list(range(1, len(KINDS) + 1))


def frames(*numbers: int, last: str = "content") -> bytes:
    names = [*["content"] * (len(numbers) - 1), last]
    return b"".join(
        f'event: {name}\nid: {n}\ndata: {{"sequence":{n},"content":"","output":{{}}}}\n\n'.encode()
        for name, n in zip(names, numbers, strict=True)
    )


def streamed(body: bytes) -> bytes:
    return answer("200 OK", body, media="text/event-stream")


def test_a_connection_that_is_closed_politely_is_opened_again_where_it_ended() -> None:
    running = answer("200 OK", b'{"data": {"id": "x", "is_terminal": false}}')
    script = [streamed(frames(1, 2)), running, streamed(frames(2, 3, last="done"))]

    with scripted(*script) as server, Ledger(f"http://127.0.0.1:{server.port}") as ledger:
        events = list(ledger.executions.stream("x"))

    assert sequences(events) == [1, 2, 3]
    assert b"starting_after=2" in server.requests[-1]


def test_a_server_that_says_not_now_is_asked_again() -> None:
    busy = answer("503 Service Unavailable", b'{"error": "busy"}')

    script = [busy, streamed(frames(1, last="done"))]

    with scripted(*script) as server, Ledger(f"http://127.0.0.1:{server.port}") as ledger:
        events = list(ledger.executions.stream("x"))

    assert sequences(events) == [1]


def test_a_stream_that_was_lost_for_too_long_is_given_up() -> None:
    with (
        scripted(streamed(frames(1)), b"") as server,
        Ledger(f"http://127.0.0.1:{server.port}", max_retries=0) as ledger,
        pytest.raises(ConnectionFailed),
    ):
        list(ledger.executions.stream("x", patience=0.5))


def test_a_wrong_address_is_given_up_soon() -> None:
    with (
        Ledger(f"http://127.0.0.1:{free_port()}") as ledger,
        pytest.raises(ConnectionFailed, match="did not answer"),
    ):
        list(ledger.executions.stream("x"))
