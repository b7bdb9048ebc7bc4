"""The frames of an execution to its end, over as many connections as that takes."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from time import monotonic
from typing import Final

from server.cli.connection import Api, Query, Refusal, Unreachable
from server.cli.frames import Frame, frames_of
from server.cli.output import warn

_PAUSE_SECONDS: Final = 0.5


class _Line:
    """The connection to a server, which may be lost and come back."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._was_up = False
        self._is_up = False
        self._lost_at = 0.0

    async def noted(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same bytes; the first says that somebody answers."""
        async for chunk in chunks:
            self._was_up = self._is_up = True
            yield chunk

    def lost(self, why: Unreachable) -> None:
        """It is gone. Raises what it is told where there was none, or for too long."""
        if self._is_up:
            self._is_up, self._lost_at = False, monotonic()
            warn(f"{why}; asking again for {self._patience:g} seconds")
        if not self._was_up or monotonic() - self._lost_at >= self._patience:
            raise why


async def follow(api: Api, execution_id: str, patience: float) -> AsyncIterator[Frame]:
    """What an execution did so far, then live, to its end; each frame once.

    A server that goes away is asked again, from where it stopped, until it is back.

    Args:
        api: the server.
        execution_id: of the execution.
        patience: seconds for which nobody may answer, once somebody did.

    Raises:
        Refusal: instead of a stream.
        Unreachable: nobody answers at all, or the server stayed away.
    """
    line, last = _Line(patience), 0
    while True:
        try:
            async for frame in _frames(api, execution_id, last, line):
                last = frame.sequence
                yield frame
        except Unreachable as why:
            line.lost(why)
        else:
            return
        await asyncio.sleep(_PAUSE_SECONDS)


def stream_of(execution_id: str, after: int = 0) -> tuple[str, Query]:
    """Path and query of all that comes after a frame."""
    query: Query = {"replay": True, "starting_after": after}
    return f"/executions/{execution_id}/stream", query


async def _frames(api: Api, execution_id: str, last: int, line: _Line) -> AsyncIterator[Frame]:
    """Frames of one connection, to the end of the execution; else it raises Unreachable."""
    chunks = api.stream(*stream_of(execution_id, last))
    try:
        async for frame in frames_of(line.noted(chunks)):
            yield frame
            if frame.is_last:
                return
    except Refusal as refusal:
        if refusal.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        raise Unreachable(str(refusal)) from refusal
    message = f"the server at {api.url} ended the stream before the execution did"
    raise Unreachable(message)
