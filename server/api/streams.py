"""The streams of an execution: live, resumed, replayed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import partial

from aiohttp import web
from pydantic import Field

from ledger.clock import parse_time
from ledger.errors import NotFound
from ledger.mapper import Recorded
from server.auth import Pass
from server.errors import InvalidRequest
from server.frames import ENDINGS, HEARTBEAT, PREAMBLE, Frames, frame_of
from server.outflow import WAIT, MayNotGoOnError, Outflow
from server.replays import EVENTS_PER_PAGE, FIRST_EVENTS, Pieces
from server.route import Answer, Call, Query, Route, to_sequence
from server.services import Services

_PACED_AT_ONCE = 500
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
}


class StreamQuery(Query):
    """Where a live stream begins."""

    starting_after: int | None = Field(
        None, ge=0, le=2**53, description="Send the frames after this sequence."
    )
    replay: bool = Field(
        False, description="Send every frame from the first, also of a finished run."
    )


class ReplayQuery(Query):
    """Which part of a run is replayed, and how fast."""

    starting_after: int = Field(
        0, ge=0, le=2**53, description="Send the frames after this sequence."
    )
    until: int | None = Field(None, ge=1, le=2**53, description="End after this sequence.")
    speed: float = Field(
        0,
        ge=0,
        le=1000,
        allow_inf_nan=False,
        description="0: as fast as it goes. 1: at the recorded pace. 10: ten times that.",
    )


async def stream(call: Call) -> Answer:
    """Send what was recorded, then what is being recorded, to the end.

    A finished run without a cursor answers with its last frame alone.
    """
    services, id_ = call.services, call.path("execution_id")
    after = _cursor(call)
    await _find(call, id_)
    end = await _end_of(services, id_) if after is None else None
    frames = _follow(services, id_, after or 0) if end is None else _once(frame_of(end))
    return await send(call, frames)


async def replay(call: Call) -> Answer:
    """Send what was recorded when the request came in, and close."""
    services, id_, query = call.services, call.path("execution_id"), call.query
    last = await _find(call, id_)
    until = min(last, query.until or last)
    if query.speed:
        return await send(call, _paced(services, id_, query.starting_after, until, query.speed))
    body = services.replays.body(id_, query.starting_after, until)
    if body is not None:
        return await _send_body(call, body)
    return await send(call, _recorded(services, id_, query.starting_after, until))


async def _find(call: Call, id_: str) -> int:
    """How far the frames of a run of the caller's workspace go; before a status is sent."""
    replays = call.services.replays
    extent = replays.ended(id_) or await call.services.read(partial(replays.extent, id_))
    if extent is None or extent.workspace != call.workspace:
        raise NotFound("execution", id_)
    return extent.last


def _cursor(call: Call) -> int | None:
    """Where the reader is: Last-Event-ID (a browser that reconnects) before the query."""
    after = cursor_of(call.request)
    if after is None:
        after = call.query.starting_after
    return 0 if after is None and call.query.replay else after


def cursor_of(request: web.Request) -> int | None:
    """The id of the last frame that a reader who reconnects has seen."""
    header = request.headers.get("Last-Event-ID")
    if not header:
        return None
    sequence = to_sequence(header)
    if sequence is None:
        message = f"Last-Event-ID: {header!r} is not a number"
        raise InvalidRequest(message)
    return sequence


async def _end_of(services: Services, id_: str) -> Recorded | None:
    return await services.read(lambda: services.ledger.read_last(id_, ENDINGS))


async def _once(frame: bytes) -> AsyncIterator[bytes]:
    yield frame


async def _recorded(services: Services, id_: str, first: int, until: int) -> AsyncIterator[bytes]:
    after, most, pieces = first, FIRST_EVENTS, Pieces(first)
    while after < until:
        page = services.replays.kept(id_, after, until)
        if page is None:
            yield WAIT
            page = await _read(services, id_, after, until, most)
        yield page.bytes
        pieces.add(page)
        if page.ended or page.last == after:
            break
        after, most = page.last, EVENTS_PER_PAGE
    services.replays.keep_body(id_, first, until, pieces)


async def _follow(services: Services, id_: str, after: int) -> AsyncIterator[bytes]:
    """Everything after a sequence: from the store while behind, then as it is announced."""
    with services.hub.join(id_) as channel:
        yield WAIT
        end = await _end_of(services, id_)
        if end is not None and after >= end.version:
            return
        while not services.hub.closing:
            page = channel.after(after) or services.replays.kept(id_, after, None)
            if page is None:
                yield WAIT
                page = await _read(services, id_, after, None)
            yield page.bytes
            if page.ended:
                return
            if page.last > after:
                after = page.last
                continue
            yield WAIT
            if not await channel.went_on(after, services.settings.heartbeat_seconds):
                yield HEARTBEAT


async def _read(
    services: Services, id_: str, after: int, until: int | None, most: int = EVENTS_PER_PAGE
) -> Frames:
    """A page of frames, from the store on a reader thread."""
    return await services.read(lambda: services.replays.read(id_, after, until, most))


async def _paced(
    services: Services, id_: str, after: int, until: int, speed: float
) -> AsyncIterator[bytes]:
    """Frames with the recorded pauses between them, divided by the speed."""
    clock = asyncio.get_running_loop().time
    began, first_at = clock(), None
    while after < until:
        yield WAIT
        events = await services.read(
            partial(services.ledger.read_execution, id_, after, _PACED_AT_ONCE, until)
        )
        if not events:
            return
        for event in events:
            at = parse_time(event.at)
            first_at = first_at or at
            due = began + _seconds(first_at, at) / speed
            while (left := due - clock()) > 0 and not services.hub.closing:
                yield WAIT
                await services.hub.rest(min(left, services.settings.heartbeat_seconds))
                if due - clock() > 0:
                    yield HEARTBEAT
            yield frame_of(event)
            after = event.version
            if event.topic in ENDINGS or services.hub.closing:
                return


def _seconds(first: datetime, then: datetime) -> float:
    return (then - first).total_seconds()


class _Streamed(web.StreamResponse):
    """A response whose head goes out in one write with its first bytes."""

    _send_headers_immediately = False  # as the library does for answers that are whole


async def send(call: Call, chunks: AsyncIterator[bytes]) -> web.StreamResponse:
    """Send the preamble and chunks as they come, all that are at hand together; then close.

    A reader that leaves, or takes nothing for a minute, is let go. So is one whose key was revoked,
    before anything more is sent.
    """

    async def fill(outflow: Outflow) -> None:
        outflow.add(PREAMBLE)
        async for chunk in chunks:
            outflow.add(chunk)
            if outflow.is_full or not chunk:
                await outflow.flush()
        await outflow.end()

    return await _respond(call, _Streamed(headers=_HEADERS), fill)


async def _send_body(call: Call, body: bytes) -> web.StreamResponse:
    """The same for all of it at once; the length that is sent ahead saves a copy of every write."""
    response = _Streamed(headers=_HEADERS)
    response.content_length = len(body)
    return await _respond(call, response, lambda outflow: outflow.end(body))


async def _respond(
    call: Call, response: web.StreamResponse, fill: Callable[[Outflow], Awaitable[None]]
) -> web.StreamResponse:
    may_go_on = Pass(call.services.keyring, call.request, call.principal).holds
    try:
        await response.prepare(call.request)
        with call.services.outflows.open(call.request, response, may_go_on) as outflow:
            await fill(outflow)
    except MayNotGoOnError:
        await _end_short(call, response)
    except ConnectionResetError:
        _abort(call)
    return response


async def _end_short(call: Call, response: web.StreamResponse) -> None:
    """What was promised by its length will not come: then only the connection's end says so."""
    if response.content_length is None:
        with suppress(ConnectionResetError):
            await response.write_eof()
    else:
        _abort(call)


def _abort(call: Call) -> None:
    if call.request.transport is not None:
        call.request.transport.abort()


_PATH = "/api/v1/executions/{execution_id}"

ROUTES = (
    Route(
        method="GET",
        path=f"{_PATH}/stream",
        handle=stream,
        summary="Watch a run: what was recorded so far, then live",
        tag="streams",
        query=StreamQuery,
        media="text/event-stream",
    ),
    Route(
        method="GET",
        path=f"{_PATH}/replay",
        handle=replay,
        summary="Replay a run, byte for byte as it was streamed",
        tag="streams",
        query=ReplayQuery,
        media="text/event-stream",
    ),
)
