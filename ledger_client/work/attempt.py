"""One attempt of an execution: from its claim to an ending, or to its being given back."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any, Final

from pydantic import BaseModel

from ledger_client.errors import ApiError, ConnectionFailed
from ledger_client.jsontext import encode
from ledger_client.models import Execution
from ledger_client.work.agents import AgentDefinition
from ledger_client.work.children import Children
from ledger_client.work.hold import OVER, Hold
from ledger_client.work.outbox import Outbox
from ledger_client.work.run import Run, Waits

Json = dict[str, Any]
Saying = tuple[str, Json]

_ENDS: Final = frozenset({"complete", "fail"})
_LAST_WORDS_SECONDS = 2.0
_MOST_ERROR = 10_000
_MOST_TRACE = 20_000
_AFTER_SILENCE_SECONDS = 1.0
_BEFORE_THE_FIRST_BEAT_SECONDS = 0.5

log = logging.getLogger("ledger_client")


class Interruption(Enum):
    """Why an agent is stopped before it is done."""

    REQUESTED = "somebody asked for the cancellation"
    OVER = "the execution ended, or is somebody else's"
    STOPPING = "the worker is shutting down"


class Slot:
    """The right to work, of which a worker has so many. A run that waits has none."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots = slots
        self.held = False

    @property
    def is_free(self) -> bool:
        """Whether one could be taken without waiting."""
        return not self._slots.locked()

    async def take(self) -> None:
        """Wait for one to be free."""
        await self._slots.acquire()
        self.held = True

    def free(self) -> None:
        """Give it back, if it is held."""
        if self.held:
            self.held = False
            self._slots.release()


class Attempt:
    """An agent at work. Whatever it does, the execution's end is recorded once.

    Attributes:
        is_waiting: whether it waits for a human, or for another execution.
    """

    def __init__(
        self, definition: AgentDefinition, hold: Hold, slot: Slot, children: Children
    ) -> None:
        self._definition = definition
        self._hold = hold
        self._slot = slot
        self._children = children
        self._outbox = Outbox(hold)
        self._run = Run(hold, self._outbox, Waits(self._answer, self._child))
        self._agent: asyncio.Task[Any] | None = None
        loop = asyncio.get_running_loop()
        self._interrupted: asyncio.Future[None] = loop.create_future()
        self._abandoned: asyncio.Future[None] = loop.create_future()
        self._why: Interruption | None = None
        self.is_waiting = False
        hold.on_cancellation = lambda: self.interrupt(Interruption.REQUESTED)

    @property
    def execution_id(self) -> str:
        """Of the execution."""
        return self._hold.execution_id

    async def work(self) -> None:
        """Run the agent, and record how it ended."""
        if self._hold.given["cancellation_requested"]:
            self.interrupt(Interruption.REQUESTED)
        beating = asyncio.create_task(self._beat())
        try:
            await self._first_slot()
            if self._why is None:
                self._agent = asyncio.create_task(self._definition.call(self._run))
                await asyncio.wait(
                    {self._agent, self._abandoned}, return_when=asyncio.FIRST_COMPLETED
                )
            await self._conclude()
        finally:
            beating.cancel()

    async def _first_slot(self) -> None:
        """Wait for a slot, or for a reason not to begin; one that is free is taken at once."""
        if self._slot.is_free:
            await self._slot.take()
            return
        taking = asyncio.create_task(self._slot.take())
        await asyncio.wait({taking, self._interrupted}, return_when=asyncio.FIRST_COMPLETED)
        taking.cancel()

    def interrupt(self, why: Interruption) -> None:
        """Stop the agent. The execution's own end outweighs every other reason."""
        if self._why is why:
            return
        if not self._interrupted.done():
            self._interrupted.set_result(None)
        if self._why is None or why is Interruption.OVER:
            self._why = why
        self._run.cancelled = self._run.cancelled or why is Interruption.REQUESTED
        if self._agent is not None:
            self._agent.cancel(why.value)
        if why is Interruption.STOPPING:
            asyncio.get_running_loop().call_later(_LAST_WORDS_SECONDS, self._abandon)

    def _abandon(self) -> None:
        if not self._abandoned.done():
            self._abandoned.set_result(None)

    # Being heard of.

    async def _beat(self) -> None:
        """Keep the lease, and learn whether to stop; for as long as the attempt lasts.

        The claim was heard of. A run that is over soon costs no request that is then broken off.
        """
        await asyncio.sleep(min(_BEFORE_THE_FIRST_BEAT_SECONDS, self._hold.heartbeat_seconds / 2))
        while True:
            try:
                is_to_stop = await self._hold.beat()
            except ConnectionFailed:
                await asyncio.sleep(_AFTER_SILENCE_SECONDS)
            except ApiError as refusal:
                if refusal.code in OVER:
                    self.interrupt(Interruption.OVER)
                    return
                await asyncio.sleep(_AFTER_SILENCE_SECONDS)
            else:
                if is_to_stop:
                    self.interrupt(Interruption.REQUESTED)
                    await asyncio.sleep(self._hold.heartbeat_seconds)

    # Waiting, without a slot.

    async def _answer(self) -> Json:
        async with self._without_slot():
            while True:
                stands = await self._stands()
                if stands is not None and stands["status"] == "running":
                    return stands
                if stands is None or stands["status"] != "awaiting_approval":
                    self.interrupt(Interruption.OVER)  # the agent never goes on
                    await asyncio.get_running_loop().create_future()

    async def _stands(self) -> Json | None:
        """How the execution stands after a human's answer; None when it is over, or another's."""
        try:
            return await self._hold.go_on()
        except ApiError as refusal:
            if refusal.code in OVER:
                return None
            raise

    async def _child(self, agent: str, input_: Json, metadata: Json) -> Execution:
        async with self._without_slot():
            return await self._children.complete(self.execution_id, agent, input_, metadata)

    @asynccontextmanager
    async def _without_slot(self) -> AsyncIterator[None]:
        """Let others work meanwhile; whoever is interrupted has no use for a slot any more."""
        self.is_waiting = True
        self._slot.free()
        try:
            yield
        finally:
            if self._why is None:
                await self._slot.take()
                self.is_waiting = False

    # The end.

    async def _conclude(self) -> None:
        """Record the end. An execution that took another course meanwhile keeps it."""
        ending = self._ending()
        if ending is None:
            return
        try:
            await self._say(ending)
        except ApiError as refusal:
            if refusal.code not in OVER:
                log.warning("execution %s: the end was refused: %s", self.execution_id, refusal)

    async def _say(self, ending: Saying) -> None:
        """Say how it ended; a failure, when that or the frames before it cannot be recorded."""
        try:
            if ending[0] in _ENDS:
                await self._outbox.end(*ending)
            else:
                await self._outbox.say(*ending)
        except ApiError as refusal:
            if refusal.code in OVER or ending[0] not in _ENDS:
                raise
            await self._hold.say(*_failure(refusal))

    def _ending(self) -> Saying | None:
        """How the agent ended, as the server is told; None when it is not ours to say."""
        agent = self._agent
        error = _error_of(agent)
        if self._why is Interruption.OVER or _is_over(error):
            return None
        if error is None:
            return _completion(None if agent is None else agent.result())
        if self._why is Interruption.REQUESTED:
            return "cancel", {"confirm": True}
        if self._why is Interruption.STOPPING:
            return "release", {}
        return _failure(error)


def _error_of(agent: "asyncio.Task[Any] | None") -> BaseException | None:
    """Why an agent has no result; None when it has one."""
    if agent is None or not agent.done():
        return asyncio.CancelledError()
    if agent.cancelled():
        return RuntimeError("the agent cancelled itself")
    return agent.exception()


def _is_over(error: BaseException | None) -> bool:
    return isinstance(error, ApiError) and error.code in OVER


def _completion(result: Any) -> Saying:
    try:
        output = _output_of(result)
    except Exception as error:  # whatever the result was, it cannot be recorded
        return _failure(error)
    return "complete", {"output": output}


def _output_of(result: Any) -> Json:
    """A result as JSON. Raises TypeError or ValueError for what is none."""
    output = result.model_dump(mode="json") if isinstance(result, BaseModel) else result
    if not isinstance(output, dict):
        message = f"the agent returned {type(output).__name__}; an output is a dict"
        raise TypeError(message)
    encode(output)
    return output


def _failure(error: BaseException) -> Saying:
    """For readers the type and the message; the traceback for the audit only."""
    kind = type(error).__name__
    said = f"{kind}: {error}" if str(error) else kind
    trace = "".join(traceback.format_exception(error))[-_MOST_TRACE:]
    facts = {"error": _clean(said)[:_MOST_ERROR], "error_type": kind, "trace": _clean(trace)}
    return "fail", facts


def _clean(text: str) -> str:
    """Text that JSON can hold: lone surrogates become question marks."""
    return text.encode("utf-8", "replace").decode()
