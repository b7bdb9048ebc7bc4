"""The in-process worker: takes executions up as they come, so many at once, and runs the agents.

It learns of work from the ledger's commits and, at its start, from the views. Everything but
`_hear` happens on the event loop.
"""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from ledger import events as e
from ledger.clock import utc_now
from ledger.event import Actor
from ledger.ids import new_id
from ledger.mapper import Recorded
from ledger.orders import Caller
from ledger_client.work import AgentDefinition, AgentSet
from server.assignment import ANSWERS, EMBEDDED, Assignment, assignment_of
from server.attempt import Attempt, Interruption, Slot
from server.auth import DEFAULT_WORKSPACE
from server.backlog import give_up, left_over
from server.children import Children
from server.outbox import Outbox
from server.registration import register
from server.services import Services

_TO_DO = ANSWERS | {e.Created.TOPIC, e.WorkerLost.TOPIC}
_NEWS = _TO_DO | {
    event.TOPIC
    for event in (
        e.ApprovalSuperseded,
        e.CancellationRequested,
        e.Completed,
        e.Failed,
        e.Cancelled,
        e.Rejected,
        e.ApprovalExpired,
    )
}
_TO_EXECUTE = b'"mode":"execute"'
_PAUSE_AFTER_FAULT_SECONDS = 5.0
_LAST_WORDS_SECONDS = 5.0

log = structlog.get_logger()


class Worker:
    """Runs a program's agents in the server's process."""

    def __init__(self, services: Services, agents: AgentSet) -> None:
        self.name = f"{EMBEDDED}{new_id(utc_now())}"
        self._services = services
        self._agents = agents
        self._actor = Actor(type="worker", id=self.name, auth="in_process")
        self._caller = Caller(DEFAULT_WORKSPACE, self._actor)
        self._definitions: dict[str, AgentDefinition] = {}
        self._slots = asyncio.Semaphore(services.settings.worker_slots)
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._queued: set[str] = set()
        self._taken: set[str] = set()  # one task at a time has to do with an execution
        self._again: set[str] = set()  # to be looked at again when that task is done
        self._attempts: dict[str, Attempt] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._listening = False

    @property
    def working(self) -> int:
        """How many executions have a slot now."""
        return sum(not attempt.is_parked for attempt in self._attempts.values())

    @property
    def parked(self) -> int:
        """How many wait for a human, in memory."""
        return len(self._attempts) - self.working

    async def start(self) -> None:
        """Register the agents and begin to work. Without agents there is nothing to do."""
        if not len(self._agents):
            return
        self._loop = asyncio.get_running_loop()
        self._listening = True
        self._services.ledger.subscribe(self._hear)
        known = await register(self._services, self._caller, self._agents)
        ids = [each.agent_id for each in known]
        self._definitions = dict(zip(ids, self._agents, strict=True))
        self._loops = [
            asyncio.create_task(self._dispatch()),
            asyncio.create_task(self._take_stock()),
        ]
        log.info("worker started", worker=self.name, agents=[each.name for each in self._agents])

    async def stop(self, grace_seconds: float) -> None:
        """Take nothing up any more, let what runs finish, and hand back what does not.

        Args:
            grace_seconds: how long running executions may take; those that take longer are
                recorded as lost by this worker, so that the next start takes them up.
        """
        self._listening = False
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        busy = {task for task in self._tasks if not self._is_parked(task)}
        if busy:
            await asyncio.wait(busy, timeout=grace_seconds)
        for attempt in self._attempts.values():
            parked = attempt.is_parked
            attempt.interrupt(Interruption.OVER if parked else Interruption.STOPPING)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_WORDS_SECONDS)
        for task in self._tasks:
            task.cancel()

    def _is_parked(self, task: asyncio.Task[None]) -> bool:
        attempt = self._attempts.get(task.get_name())
        return attempt is not None and attempt.is_parked

    # What happens in the ledger.

    def _hear(self, recorded: Sequence[Recorded]) -> None:
        """Pass on what concerns a worker; called on the writer's thread after each commit."""
        news = [event for event in recorded if event.topic in _NEWS and _may_concern(event)]
        if news and self._listening:
            with contextlib.suppress(RuntimeError):  # the loop may close in this very moment
                self._loop.call_soon_threadsafe(self._follow, news)

    def _follow(self, news: Sequence[Recorded]) -> None:
        for event in news:
            attempt = self._attempts.get(event.id)
            if attempt is not None:
                self._tell(attempt, event)
            elif event.topic in _TO_DO:
                self._enqueue(event.id)

    def _tell(self, attempt: Attempt, event: Recorded) -> None:
        """What a commit means for an execution that is at work, or waits in memory."""
        if event.topic == e.CancellationRequested.TOPIC:
            attempt.interrupt(Interruption.REQUESTED)
        elif event.topic == e.ApprovalSuperseded.TOPIC:
            attempt.edited(event)
        elif event.topic in ANSWERS:
            if not attempt.decided(event):
                self._enqueue(event.id)
        else:
            attempt.interrupt(Interruption.OVER)
            if event.topic in _TO_DO:
                self._enqueue(event.id)

    # What waits to be taken up.

    def _enqueue(self, id_: str) -> None:
        if self._listening and id_ not in self._queued:
            self._queued.add(id_)
            self._queue.put_nowait(id_)

    async def _take_stock(self) -> None:
        """Find what was begun before this process; tried again until it is known."""
        ids = tuple(self._definitions)
        while True:
            try:
                for id_ in await left_over(self._services, DEFAULT_WORKSPACE, ids):
                    self._enqueue(id_)
            except Exception:  # the worker must outlive whatever the disk does
                log.exception("cannot read what waits to be taken up; trying again")
                await asyncio.sleep(_PAUSE_AFTER_FAULT_SECONDS)
            else:
                return

    async def _dispatch(self) -> None:
        while True:
            id_ = await self._queue.get()
            self._queued.discard(id_)
            if id_ in self._taken:
                self._again.add(id_)
                continue
            slot = Slot(self._slots)
            await slot.take()
            self._taken.add(id_)
            task = asyncio.create_task(self._take_up(id_, slot), name=id_)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _take_up(self, id_: str, slot: Slot) -> None:
        try:
            assignment = await self._assignment(id_)
            if assignment is None:
                return
            if assignment.is_at_embedded:  # while nobody here is: one task at a time has it
                await give_up(self._services, self._caller, assignment)
            elif assignment.is_for_embedded:
                await self._work(assignment, slot)
        except Exception:
            log.exception("execution not taken up; trying again", execution=id_)
            self._loop.call_later(_PAUSE_AFTER_FAULT_SECONDS, self._enqueue, id_)
        finally:
            slot.free()
            self._taken.discard(id_)
            if id_ in self._again:
                self._again.discard(id_)
                self._enqueue(id_)

    async def _assignment(self, id_: str) -> Assignment | None:
        """The execution, if it is of an agent of this worker's."""
        services = self._services

        def read() -> Assignment | None:
            facts = services.ledger.read_facts(id_)
            return assignment_of(facts) if facts else None

        found = await services.read(read)
        return found if found is not None and found.agent_id in self._definitions else None

    async def _work(self, assignment: Assignment, slot: Slot) -> None:
        id_ = assignment.execution_id
        attempt = Attempt(
            self._definitions[assignment.agent_id],
            assignment,
            Outbox(self._services, self._caller, id_),
            slot,
            Children(self._services, self._caller),
            worker=self.name,
            most_bytes=self._services.settings.max_payload_bytes,
        )
        self._attempts[id_] = attempt
        try:
            await attempt.work()
        finally:
            del self._attempts[id_]


def _may_concern(event: Recorded) -> bool:
    """Whether an in-process worker may have to do with it; cheap, and sometimes a yes too many."""
    return event.topic != e.Created.TOPIC or _TO_EXECUTE in event.state
