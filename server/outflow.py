"""What goes out on streams: gathered into large writes, and never kept for a reader who is stuck.

A write costs about the same whether it is of a hundred bytes or of sixty thousand, so what is at
hand goes together. What has to be waited for never holds back what is there: a source says that it
is about to wait, and everything gathered is sent first.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Final, Self, cast

from aiohttp import web

WAIT: Final = b""
"""What a source yields before it waits for anything."""

STUCK_SECONDS: Final = 60.0
_MOST_WRITTEN: Final = 64 * 1024

Buffer = bytes | memoryview


class MayNotGoOnError(Exception):
    """The reader may be sent nothing more."""


class Outflow:
    """The body of one response on its way to its reader.

    Args:
        response: that is prepared.
        transport: on which it goes.
        may_go_on: asked before each write; cheap, since a body may be of many.
        among: the open ones; this is among them while its block runs.
    """

    __slots__ = (
        "_among",
        "_gathered",
        "_may_go_on",
        "_response",
        "_size",
        "_transport",
        "_writing_since",
    )

    def __init__(
        self,
        response: web.StreamResponse,
        transport: asyncio.Transport,
        may_go_on: Callable[[], bool],
        among: "set[Outflow]",
    ) -> None:
        self._response = response
        self._transport = transport
        self._may_go_on = may_go_on
        self._among = among
        self._gathered: list[bytes] = []
        self._size = 0
        self._writing_since: float | None = None

    def __enter__(self) -> Self:
        self._among.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._among.remove(self)

    @property
    def is_full(self) -> bool:
        """Whether enough is gathered for a write of its own."""
        return self._size >= _MOST_WRITTEN

    def add(self, chunk: bytes) -> None:
        """Gather a chunk."""
        if chunk:
            self._gathered.append(chunk)
            self._size += len(chunk)

    async def flush(self) -> None:
        """Send what is gathered.

        Raises:
            ConnectionResetError: when the reader is gone.
            MayNotGoOnError: when the rest is kept back.
        """
        await self._write(self._take())

    async def end(self, chunk: bytes = b"") -> None:
        """Send what is gathered and a last chunk, and end the response. Raises as `flush` does."""
        self.add(chunk)
        *writes, last = self._take() or [b""]
        await self._write(writes)
        self._require_that_it_may_go_on()
        await self._response.write_eof(cast("bytes", last))  # it takes any buffer

    def let_go(self, long_ago: float) -> None:
        """Close the connection of a reader who has taken nothing since then, by `monotonic`."""
        if self._writing_since is not None and self._writing_since < long_ago:
            self._transport.abort()

    async def _write(self, writes: Iterable[Buffer]) -> None:
        for text in writes:
            self._require_that_it_may_go_on()
            self._writing_since = monotonic()
            await self._response.write(text)
        self._writing_since = None

    def _require_that_it_may_go_on(self) -> None:
        if not self._may_go_on():
            raise MayNotGoOnError

    def _take(self) -> list[Buffer]:
        writes = list(_writes(self._gathered))
        self._gathered, self._size = [], 0
        return writes


def _writes(chunks: Iterable[bytes]) -> Iterator[Buffer]:
    """The same bytes in writes of one size, but the last; only what is small is copied."""
    parts: list[Buffer] = []
    room = _MOST_WRITTEN
    for chunk in chunks:
        rest = memoryview(chunk)
        while len(rest) >= room:
            yield _joined([*parts, rest[:room]])
            rest, parts, room = rest[room:], [], _MOST_WRITTEN
        if rest:
            parts.append(rest)
            room -= len(rest)
    if parts:
        yield _joined(parts)


def _joined(parts: list[Buffer]) -> Buffer:
    return parts[0] if len(parts) == 1 else b"".join(parts)


class Outflows:
    """Every open stream, and the end of those whose readers take nothing."""

    def __init__(self, stuck_seconds: float = STUCK_SECONDS) -> None:
        self._stuck_seconds = stuck_seconds
        self._open: set[Outflow] = set()

    def __len__(self) -> int:
        return len(self._open)

    def open(
        self, request: web.Request, response: web.StreamResponse, may_go_on: Callable[[], bool]
    ) -> Outflow:
        """The outflow of a prepared response. Raises ConnectionResetError for a reader who left."""
        if request.transport is None:
            raise ConnectionResetError
        return Outflow(response, request.transport, may_go_on, self._open)

    async def let_go(self) -> None:
        """Close connections whose reader took nothing for so long; for ever."""
        while True:
            await asyncio.sleep(self._stuck_seconds / 4)
            long_ago = monotonic() - self._stuck_seconds
            for outflow in list(self._open):
                outflow.let_go(long_ago)
