"""What a model says, while it says it: small pieces leave together, soon and in order."""

import asyncio
from typing import Final, Literal

from ledger_client.work.run import Run

MOST_SECONDS: Final = 0.05
_MOST_CHARACTERS: Final = 4096

Kind = Literal["thinking", "content"]


class Speech:
    """The words of one run. Everything here happens on the event loop."""

    def __init__(self, run: Run) -> None:
        self._say = {"thinking": run.thinking, "content": run.content}
        self._kind: Kind = "content"
        self._text = ""
        self._timer: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    async def add(self, kind: Kind, text: str) -> None:
        """Take a piece in; it is sent within 50 ms, or once it is long, or before another kind."""
        if kind != self._kind:
            await self.flush()
        self._kind = kind
        self._text += text
        if len(self._text) >= _MOST_CHARACTERS:
            await self.flush()
        elif self._text and self._timer is None:
            self._timer = asyncio.create_task(self._flush_soon())

    async def flush(self) -> None:
        """Send what was taken in.

        Raises:
            ApiError: the run takes no more frames.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._failure is not None:
            raise self._failure
        await self._send()

    async def _flush_soon(self) -> None:
        await asyncio.sleep(MOST_SECONDS)
        self._timer = None
        try:
            await self._send()
        except Exception as failure:  # kept for whoever flushes
            self._failure = failure

    async def _send(self) -> None:
        text, self._text = self._text, ""
        if text:
            await self._say[self._kind](whole(text))


def whole(text: str) -> str:
    """Text that UTF-8 can hold: what is left of a character that was cut is replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
