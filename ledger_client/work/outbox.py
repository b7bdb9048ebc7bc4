"""What a run streams, on its way to the server: in order, in batches, soon.

A frame leaves within 2 ms where none left within the last 50; else when they are over, or with
ninety-nine others, or before whatever changes the run's status; the last leave with its end. One
task at a time sends, so that a caller who is cancelled cannot lose or double a frame.
"""

import asyncio
from typing import Any, Final

from ledger_client.errors import ApiError
from ledger_client.work.hold import OVER, Hold

MOST_FRAMES: Final = 100
MOST_SECONDS: Final = 0.05
_FIRST_SECONDS: Final = 0.002
"""What is said at the same time goes together; and a run that is over by then needs one request."""

_MOST_BYTES: Final = 1024 * 1024


class Outbox:
    """The frames of one run. Everything here happens on the event loop.

    Attributes:
        is_limited: whether the run was under a budget at the last answer.
    """

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self._frames: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._sender: asyncio.Task[None] | None = None
        self._refusal: Exception | None = None
        self._may_leave_at = 0.0
        budget = hold.given.get("budget")
        self.is_limited = budget is not None
        self._question: dict[str, Any] | None = (budget or {}).get("ask")

    def take_question(self) -> dict[str, Any] | None:
        """What a human is to be asked before a budget is spent, once."""
        question, self._question = self._question, None
        return question

    def add(self, frame: str) -> None:
        """Take a frame in; it is sent soon."""
        self._frames.append(frame)
        if len(self._frames) >= MOST_FRAMES:
            self._send_now()
        elif self._timer is None and self._sender is None:
            loop = asyncio.get_running_loop()
            at = max(loop.time() + _FIRST_SECONDS, self._may_leave_at)
            self._timer = loop.call_at(at, self._send_now)

    async def make_room(self) -> None:
        """Wait while more waits than one batch: an agent is no faster than its record.

        Raises:
            ApiError: the run takes no more frames.
        """
        if self._refusal is not None or len(self._frames) >= MOST_FRAMES:
            await self.flush()

    async def flush(self) -> None:
        """Wait until everything taken in is durable.

        Raises:
            ApiError: the run takes no more frames.
        """
        while self._refusal is None and (self._frames or self._sender is not None):
            self._send_now()
            if self._sender is not None:
                await asyncio.wait({self._sender})
        if self._refusal is not None:
            raise self._refusal

    async def say(self, step: str, body: dict[str, Any]) -> dict[str, Any]:
        """Have something recorded, once all frames before it are durable.

        Raises:
            ApiError: it was refused.
        """
        await self.flush()
        return await self._hold.say(step, body)

    async def end(self, step: str, body: dict[str, Any]) -> None:
        """Have the end recorded, after all frames before it or with the last of them.

        Raises:
            ApiError: it was refused, or they were; those before one that was refused are recorded.
        """
        is_under_way = self._sender is not None or self._refusal is not None
        if is_under_way or not self._frames or len(self._frames) > self._next():
            await self.say(step, body)
            return
        self._stop_timer()
        last, self._frames = self._frames, []
        try:
            await self._hold.end(step, body, last)
        except ApiError as refusal:
            if refusal.code in OVER:
                raise
            await self._deliver(last)
            await self._hold.say(step, body)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send_now(self) -> None:
        self._stop_timer()
        if self._sender is None:
            loop = asyncio.get_running_loop()
            self._may_leave_at = loop.time() + MOST_SECONDS
            self._sender = loop.create_task(self._send())

    async def _send(self) -> None:
        try:
            while self._frames:
                await self._deliver(self._next_batch())
        except Exception as refusal:  # kept for whoever flushes
            self._refusal = refusal
        finally:
            self._sender = None

    async def _deliver(self, batch: list[str]) -> None:
        """A frame that is refused takes none of those before it with it."""
        try:
            self._heed(await self._hold.stream(batch))
        except ApiError as refusal:
            if len(batch) == 1 or refusal.code in OVER:
                raise
            for frame in batch:
                self._heed(await self._hold.stream([frame]))

    def _heed(self, answer: dict[str, Any]) -> None:
        budget = answer.get("budget")
        self.is_limited = budget is not None
        self._question = (budget or {}).get("ask") or self._question

    def _next_batch(self) -> list[str]:
        number = self._next()
        batch, self._frames = self._frames[:number], self._frames[number:]
        return batch

    def _next(self) -> int:
        """How many frames go together next: as many as fit; at least one, if there is one."""
        size = number = 0
        for frame in self._frames[:MOST_FRAMES]:
            size += len(frame)
            if number and size > _MOST_BYTES:
                break
            number += 1
        return number
