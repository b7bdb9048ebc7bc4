"""A load generator that costs little, so that what is measured is the server.

Bare sockets and raw asyncio protocols: requests are bytes made beforehand, answers are only as far
understood as it takes to know where they end and that they are a success.
"""

import asyncio
import re
import selectors
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from time import perf_counter
from typing import NamedTuple, cast

from tests.bench.result import percentile

HOST = "127.0.0.1"
WARM_UP_SECONDS = 0.3
_SUCCESS = b"HTTP/1.1 2"
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_RECEIVED_AT_ONCE = 256 * 1024
_PATIENCE_SECONDS = 30
_LAST_CHUNK = b"0\r\n\r\n"


class BadAnswer(Exception):
    """The server answered something that no measurement expects."""


def request(method: str, path: str, body: bytes = b"") -> bytes:
    """A request, ready to be sent."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class Load(NamedTuple):
    """What a while of asking as fast as it goes gave."""

    seconds: float
    latencies: list[float]

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def milliseconds(self, percent: float) -> float:
        return 1000 * percentile(self.latencies, percent)


class Asker:
    """A connection that asks again as soon as it was answered; on bare sockets, since the machine's
    few processors should be the server's."""

    def __init__(self, port: int, next_request: Callable[[], bytes]) -> None:
        self.socket = socket.create_connection((HOST, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._next_request = next_request
        self._buffer = b""
        self._asked = 0.0

    def ask(self) -> None:
        self._asked = perf_counter()
        self.socket.sendall(self._next_request())

    def take(self) -> float | None:
        """Take in what has arrived; how long the answer took, once it is whole."""
        received = self.socket.recv(_RECEIVED_AT_ONCE)
        if not received:
            raise BadAnswer("the server closed the connection")
        self._buffer = self._buffer + received if self._buffer else received
        if not is_whole(self._buffer):
            return None
        self._buffer = b""
        return perf_counter() - self._asked


def is_whole(answer: bytes) -> bool:
    """Whether an answer with a length has arrived to its end. Raises BadAnswer for a refusal."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    length = length_of(answer)
    if length is None or not answer.startswith(_SUCCESS):
        raise BadAnswer(answer[:2000].decode(errors="replace"))
    return len(answer) >= length


def length_of(answer: bytes) -> int | None:
    """How long an answer is, its head included, if that says so; the head must have arrived."""
    end = answer.find(b"\r\n\r\n")
    length = _LENGTH.search(answer, 0, end + 2)
    return None if length is None else end + 4 + int(length[1])


def ask_for(
    ports: Sequence[int], seconds: float, askers: int, next_request: Callable[[], bytes]
) -> Load:
    """Let so many connections, spread over the ports, ask for a while; measured after a warm-up."""
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        made = [Asker(ports[n % len(ports)], next_request) for n in range(askers)]
        for asker in made:
            stack.enter_context(asker.socket)
            selector.register(asker.socket, selectors.EVENT_READ, asker)
            asker.ask()
        _answered(selector, WARM_UP_SECONDS)
        began = perf_counter()
        latencies = _answered(selector, seconds)
        load = Load(perf_counter() - began, latencies)
        _let_end(selector, askers)
    return load


def _answered(selector: selectors.BaseSelector, seconds: float) -> list[float]:
    """The latencies of all that is answered for so long; each asker asks again at once."""
    latencies: list[float] = []
    end = perf_counter() + seconds
    while perf_counter() < end:
        for key, _ in selector.select(1):
            latency = key.data.take()
            if latency is not None:
                latencies.append(latency)
                key.data.ask()
    return latencies


def _let_end(selector: selectors.BaseSelector, waiting: int) -> None:
    """Take the answers to what was asked last."""
    while waiting:
        for key, _ in selector.select(_PATIENCE_SECONDS):
            waiting -= key.data.take() is not None


class Single(asyncio.Protocol):
    """A connection for one request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport
        self._answered: asyncio.Future[float]

    @classmethod
    async def connect(cls, port: int) -> "Single":
        return (await asyncio.get_running_loop().create_connection(cls, HOST, port))[1]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    async def ask(self, asked: bytes) -> float:
        """Send a request; the time at which the answer had arrived."""
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(asked)
        return await self._answered

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if is_whole(self._buffer):
            self._buffer = b""
            self._answered.set_result(perf_counter())

    def close(self) -> None:
        self._transport.close()


class Reader(asyncio.Protocol):
    """A connection that reads a streamed answer, and asks again at its end if it shall.

    Attributes:
        received: bytes so far, those of HTTP itself included.
        finished: how many answers were read to their end.
    """

    def __init__(self, asked: bytes, *, again: bool = False) -> None:
        self._asked = asked
        self._again = again
        self._tail = b""
        self._left = 0  # of an answer that told its length ahead
        self._transport: asyncio.Transport
        self.received = 0
        self.finished = 0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._asked)

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if self._is_over(data):
            self.finished += 1
            if self._again:
                self._transport.write(self._asked)
            else:
                self._transport.close()

    def _is_over(self, data: bytes) -> bool:
        """Whether an answer ends with these bytes of it."""
        if self._left:
            self._left -= len(data)
            return not self._left
        if data.startswith(_SUCCESS) and (told := length_of(data)):
            self._left = told - len(data)
            return not self._left
        self._tail = (self._tail + data)[-len(_LAST_CHUNK) :] if len(data) < 5 else data[-5:]
        return self._tail == _LAST_CHUNK

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def leave(self) -> None:
        self._transport.abort()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, for half a minute at most; looks seldom, to cost nothing."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - an event would cost each frame a call
            await asyncio.sleep(0.02)


@asynccontextmanager
async def reading(port: int, makers: Sequence[Callable[[], Reader]]) -> AsyncIterator[list[Reader]]:
    """Readers with an open connection each; they leave in the end."""
    loop = asyncio.get_running_loop()
    readers: list[Reader] = []
    try:
        for make in makers:
            readers.append((await loop.create_connection(make, HOST, port))[1])  # noqa: PERF401 - those that joined must leave
        yield readers
    finally:
        for reader in readers:
            reader.leave()
        await asyncio.gather(*(reader.ended for reader in readers))
