"""What a run streams, on its way to the log: in order, in batches, soon.

A frame leaves within 50 ms, or with ninety-nine others, or before whatever changes the run's
status. One task at a time sends, so that a caller who is cancelled cannot lose or double a frame.
"""

import asyncio
from typing import Any, Final

import structlog

from ledger.commands import Append, Command
from ledger.errors import QueueFull, StoreFailed
from ledger.events import EncodedFrame
from ledger.frames import Step
from ledger.orders import Caller, Receipt
from server.services import Services

MOST_STEPS: Final = 100
MOST_SECONDS: Final = 0.05
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0

log = structlog.get_logger()


class Outbox:
    """The commands of one run. Everything here happens on the event loop.

    Attributes:
        is_limited: whether the run was under a budget at the last answer; None before the first.
    """

    def __init__(self, services: Services, caller: Caller, execution_id: str) -> None:
        self.execution_id = execution_id
        self._services = services
        self._caller = caller
        self._steps: list[Step] = []
        self._timer: asyncio.TimerHandle | None = None
        self._sender: asyncio.Task[None] | None = None
        self._refusal: Exception | None = None
        self.is_limited: bool | None = None
        self._question: dict[str, Any] | None = None

    def take_question(self) -> dict[str, Any] | None:
        """What a human is to be asked before a budget is spent, once."""
        question, self._question = self._question, None
        return question

    def add(self, step: Step) -> None:
        """Take a frame or a usage report in; it is recorded soon."""
        self._steps.append(step)
        if len(self._steps) >= MOST_STEPS:
            self._send_now()
        elif self._timer is None and self._sender is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(MOST_SECONDS, self._send_now)

    async def make_room(self) -> None:
        """Wait while more waits than one batch: an agent is no faster than its record.

        Raises:
            LedgerError: the run takes no more frames; it is over.
        """
        if self._refusal is not None or len(self._steps) >= MOST_STEPS:
            await self.flush()

    async def flush(self) -> None:
        """Wait until everything taken in is durable.

        Raises:
            LedgerError: the run takes no more frames; it is over.
        """
        while self._refusal is None and (self._steps or self._sender is not None):
            self._send_now()
            if self._sender is not None:
                await asyncio.wait({self._sender})
        if self._refusal is not None:
            raise self._refusal

    async def give(self, command: Command) -> Receipt:
        """Give a command once all frames before it are durable.

        Raises:
            LedgerError: it was refused, or the ledger is shutting down.
        """
        await self.flush()
        return await self.record(command)

    async def record(self, command: Command, size: int = 0) -> Receipt:
        """Give a command past the frames, however long the store takes to work again.

        Raises:
            LedgerError: it was refused, or the ledger is shutting down.
        """
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._services.record(command, self._caller, size)
            except (QueueFull, StoreFailed) as error:
                log.warning("not recorded yet", execution=self.execution_id, error=str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _send_now(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._sender is None:
            self._sender = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        try:
            while self._steps:
                batch, self._steps = self._steps[:MOST_STEPS], self._steps[MOST_STEPS:]
                receipt = await self.record(Append(self.execution_id, batch), _size(batch))
                self.is_limited = receipt.budget is not None
                self._question = (receipt.budget or {}).get("ask")
        except Exception as refusal:  # kept for whoever flushes
            self._refusal = refusal
        finally:
            self._sender = None


def _size(steps: list[Step]) -> int:
    return sum(len(step.payload) for step in steps if isinstance(step, EncodedFrame))
