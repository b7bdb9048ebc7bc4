"""One attempt of an execution: from its start to an ending, or to the loss of its worker."""

import asyncio
import traceback
from enum import Enum
from typing import Any

import structlog
from pydantic import BaseModel

from ledger.commands import Cancel, Command, Complete, Fail, LoseWorker, Start
from ledger.errors import IllegalTransition, LedgerClosed
from ledger.events import Approved
from ledger.mapper import Recorded
from ledger.strict_json import decode, encode
from ledger_client.models import Execution
from ledger_client.work import AgentDefinition
from server.assignment import Assignment
from server.children import Children
from server.outbox import Outbox
from server.route import check_event_size
from server.run import Run

_LAST_WORDS_SECONDS = 2.0
_MOST_TRACE = 20_000

log = structlog.get_logger()


class Interruption(Enum):
    """Why an agent is stopped before it is done."""

    REQUESTED = "somebody asked for the cancellation"
    OVER = "the execution ended, or is somebody else's"
    STOPPING = "the server is shutting down"


class Slot:
    """The right to work, of which a worker has so many. A run that waits for a human has none."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots = slots
        self.held = False

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
    """An agent at work. Whatever it does, the execution's end is recorded once."""

    def __init__(
        self,
        definition: AgentDefinition,
        assignment: Assignment,
        outbox: Outbox,
        slot: Slot,
        children: Children,
        *,
        worker: str,
        most_bytes: int,
    ) -> None:
        self._definition = definition
        self._outbox = outbox
        self._slot = slot
        self._worker = worker
        self._most_bytes = most_bytes
        self._children = children
        self._run = Run(assignment, outbox, self._park, self._child, most_bytes, definition.config)
        self._agent: asyncio.Task[Any] | None = None
        self._abandoned = asyncio.get_running_loop().create_future()
        self._why: Interruption | None = None

    @property
    def is_parked(self) -> bool:
        """Whether it waits for a human."""
        return not self._slot.held

    async def work(self) -> None:
        """Start, run the agent, record how it ended."""
        if self._why is None and await self._started():
            await self._perform()
            await self._conclude()

    def interrupt(self, why: Interruption) -> None:
        """Stop the agent. The execution's own end outweighs every other reason."""
        if self._why is None or why is Interruption.OVER:
            self._why = why
        self._run.cancelled = self._run.cancelled or why is Interruption.REQUESTED
        if self._agent is not None:
            self._agent.cancel(why.value)
        if why is Interruption.STOPPING:
            asyncio.get_running_loop().call_later(_LAST_WORDS_SECONDS, self._abandon)

    def decided(self, decision: Recorded) -> bool:
        """A human decided, and the run goes on; whether the agent waited for that."""
        return self._run.decided(decision)

    def edited(self, request: Recorded) -> None:
        """A human edited what the agent waits for."""
        self._run.edited(request)

    async def _started(self) -> bool:
        """Claim the execution; False when somebody else was faster, or it was cancelled."""
        try:
            receipt = await self._outbox.give(Start(self._run.execution_id, self._worker))
        except IllegalTransition:
            return False
        self._run.attempt = receipt.events[-1].facts["attempt"]
        return True

    async def _park(self, decision: "asyncio.Future[Recorded]") -> Recorded:
        self._slot.free()
        decided = await decision
        await self._slot.take()
        if decided.topic == Approved.TOPIC:  # after a no that does not end it, it runs already
            await self._outbox.give(Start(self._run.execution_id, self._worker))
        return decided

    async def _child(
        self, agent: str, input_: dict[str, Any], metadata: dict[str, Any]
    ) -> Execution:
        self._slot.free()
        try:
            return await self._children.complete(self._run.execution_id, agent, input_, metadata)
        finally:
            if self._why is None:
                await self._slot.take()

    async def _perform(self) -> None:
        if self._why is None:
            self._agent = asyncio.create_task(self._definition.call(self._run))
            await asyncio.wait({self._agent, self._abandoned}, return_when=asyncio.FIRST_COMPLETED)

    def _abandon(self) -> None:
        if not self._abandoned.done():
            self._abandoned.set_result(None)

    async def _conclude(self) -> None:
        """Record the end. An execution that took another course meanwhile keeps it."""
        ending = self._ending()
        try:
            ending = await self._after_the_frames(ending)
            if ending is not None:
                await self._outbox.record(ending)
        except IllegalTransition as refusal:
            log.info("the execution took another course", reason=str(refusal))
        except LedgerClosed:
            log.warning("the ledger closed first", execution=self._run.execution_id)

    async def _after_the_frames(self, ending: Command | None) -> Command | None:
        """The ending, or a failure when the frames before it could not be recorded."""
        try:
            await self._outbox.flush()
        except (IllegalTransition, LedgerClosed):
            raise
        except Exception as fault:
            log.exception("frames were not recorded", execution=self._run.execution_id)
            return None if ending is None else _failure(self._run.execution_id, fault)
        return ending

    def _ending(self) -> Command | None:
        """How the agent ended, in the words of the ledger; None when it is not ours to say."""
        id_, agent = self._run.execution_id, self._agent
        error = _error_of(agent)
        if self._why is Interruption.OVER:
            return None
        if error is None:
            return self._completion(agent)
        if self._why is Interruption.REQUESTED:
            return Cancel(id_, confirm=True)
        if self._why is Interruption.STOPPING:
            return LoseWorker(id_, most_attempts=0, in_good_order=True)
        return _failure(id_, error)

    def _completion(self, agent: "asyncio.Task[Any] | None") -> Command:
        try:
            output = self._output_of(None if agent is None else agent.result())
            return Complete(self._run.execution_id, output)
        except Exception as error:  # whatever the result was, it cannot be recorded
            return _failure(self._run.execution_id, error)

    def _output_of(self, result: Any) -> dict[str, Any]:
        if isinstance(result, BaseModel):
            result = result.model_dump(mode="json")
        if not isinstance(result, dict):
            message = f"the agent returned {type(result).__name__}; an output is a dict"
            raise TypeError(message)
        encoded = encode(result)
        check_event_size(len(encoded), self._most_bytes)
        output: dict[str, Any] = decode(encoded)
        return output


def _error_of(agent: "asyncio.Task[Any] | None") -> BaseException | None:
    """Why an agent has no result; None when it has one."""
    if agent is None or not agent.done():
        return asyncio.CancelledError()
    if agent.cancelled():
        return RuntimeError("the agent cancelled itself")
    return agent.exception()


def _failure(execution_id: str, error: BaseException) -> Fail:
    """For readers the type and the message; the traceback for the audit only."""
    kind = type(error).__name__
    said = f"{kind}: {error}" if str(error) else kind
    trace = "".join(traceback.format_exception(error))[-_MOST_TRACE:]
    return Fail(execution_id, _clean(said)[:_MOST_TRACE], error_type=kind, trace=_clean(trace))


def _clean(text: str) -> str:
    """Text that JSON can hold: lone surrogates become question marks."""
    return text.encode("utf-8", "replace").decode()
