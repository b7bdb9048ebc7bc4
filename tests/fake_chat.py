"""A chat endpoint on a socket of its own: the real wire format, cut wherever a test wants it."""

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from aiohttp import web

Json = dict[str, Any]

USAGE: Json = {
    "prompt_tokens": 120,
    "completion_tokens": 45,
    "total_tokens": 165,
    "prompt_tokens_details": {"cached_tokens": 100, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 30},
    "a_field_of_tomorrow": [1, 2],
}


@dataclass
class Answer:
    """One answer of the endpoint.

    Attributes:
        body: as it is sent.
        status: of HTTP.
        headers: beside the content type.
        pieces: sizes of the pieces in which it is sent, again and again.
        end: `close` as HTTP has it, `cut` the connection, or `hang` until the client goes.
    """

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pieces: Sequence[int] = (1_000_000,)
    end: str = "close"


@dataclass
class FakeChat:
    """What a test sees of the endpoint.

    Attributes:
        answers: given one after the other; the last one for ever.
        port: where it listens.
        requests: the bodies of what came in.
        keys: the Authorization headers of what came in.
        left: set when a client went before its answer ended.
    """

    answers: list[Answer]
    port: int = 0
    requests: list[Json] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json())
        self.keys.append(request.headers.get("Authorization", ""))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        media = "text/event-stream" if answer.status == 200 else "application/json"
        headers = {"Content-Type": media, **answer.headers}
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        try:
            await self._send(request, response, answer)
        except (ConnectionError, asyncio.CancelledError):
            self.left.set()
            raise
        return response

    async def _send(
        self, request: web.Request, response: web.StreamResponse, answer: Answer
    ) -> None:
        start, sizes = 0, cycle(answer.pieces)
        while start < len(answer.body):
            size = next(sizes)
            await response.write(answer.body[start : start + size])
            await asyncio.sleep(0)
            start += size
        if answer.end == "cut":
            assert request.transport is not None
            request.transport.abort()
        elif answer.end == "hang":
            await asyncio.Event().wait()


def delta(finish: str | None = None, **said: Any) -> Json:
    """A chunk that says a little more."""
    choice = {"index": 0, "delta": said, "finish_reason": finish, "logprobs": None}
    return {**_CHUNK, "choices": [choice], "usage": None}


def call_deltas(
    name: str, arguments: str, *, id_: str = "call_1", index: int = 0, cut: int = 3
) -> list[Json]:
    """A call of a tool, its arguments a few letters at a time."""
    first = {"index": index, "id": id_, "type": "function"}
    head = delta(tool_calls=[{**first, "function": {"name": name, "arguments": ""}}])
    pieces = [arguments[at : at + cut] for at in range(0, len(arguments), cut)]
    return [
        head,
        *(delta(tool_calls=[{"index": index, "function": {"arguments": p}}]) for p in pieces),
    ]


def streamed(
    *chunks: Json,
    finish: str = "stop",
    usage: Json | None = None,
    escaped: bool = False,
    **how: Any,
) -> Answer:
    """An answer in which these chunks come, then why it ended, then what it cost."""
    told = [delta(role="assistant", content=""), *chunks, delta(finish)]
    if usage is not None:
        told.append({**_CHUNK, "choices": [], "usage": usage})
    events = [f"data: {json.dumps(each, ensure_ascii=escaped)}\n\n" for each in told]
    return Answer((": keep-alive\n\n" + "".join(events) + "data: [DONE]\n\n").encode(), **how)


def refused(status: int, message: str, **how: Any) -> Answer:
    """An error as endpoints send it."""
    error = {"message": message, "type": "an_error", "param": None, "code": None}
    return Answer(json.dumps({"error": error}).encode(), status=status, **how)


_CHUNK: Json = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1_790_000_000,
    "model": "fake-1-2026-11-01",
}


@contextmanager
def fake_chat(*answers: Answer) -> Iterator[FakeChat]:
    """Answer until the block is left."""
    fake = FakeChat(list(answers))
    started, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        application = web.Application()
        application.router.add_post("/v1/chat/completions", fake.answer)
        runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fake.port = runner.addresses[0][1]
        started.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert started.wait(30)
    try:
        yield fake
    finally:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
