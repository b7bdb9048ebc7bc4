"""Gives executions to workers that ask for them, and takes them back from those who fall silent.

It follows the log: what was committed decides which executions wait, are worked on, are parked or
are over; at the start the same is read from the views and the log. What it does itself, it does by
the commands that everybody uses, and the ledger refuses what came too late.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import structlog
from aiohttp import web

from ledger import events as e
from ledger.commands import Claim, Start
from ledger.errors import IllegalTransition, NotFound
from ledger.mapper import Recorded
from ledger.orders import Caller
from ledger.status import Status
from projections.unfinished import Unfinished, unfinished
from server.assignment import EMBEDDED, Assignment, assignment_of
from server.frames import ENDINGS
from server.leases import Leases, digest_of_token
from server.overdue import Overdue
from server.services import Services
from server.supervisor import Supervisor
from server.work_queue import Place, WorkQueue

_TO_EXECUTE = b'"mode":"execute"'
_PAUSE_AFTER_FAULT_SECONDS: Final = 1.0

log = structlog.get_logger()


class Given(NamedTuple):
    """An execution as it is given to a worker, and the token that its writes must carry."""

    assignment: Assignment
    token: str


class Dispatch:
    """Everything but `_hear` happens on the event loop."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.queue = WorkQueue()
        self.leases = Leases(services.settings.lease_seconds)
        self.overdue = Overdue(services.settings.cancel_grace_seconds)
        self._supervisor = Supervisor(
            services, self.leases, self.overdue, lambda id_: self._do(self._requeue(id_))
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def start(self) -> None:
        """Follow the log from here on, and find what was begun before."""
        self._loop = asyncio.get_running_loop()
        self._services.ledger.subscribe(self._hear)
        self._do(self._recover())
        self._do(self._supervisor.look_after())

    async def stop(self) -> None:
        """Give nothing any more."""
        self._closing = True
        self.queue.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # What workers ask.

    async def claim(
        self, caller: Caller, worker: str, agent_ids: Collection[str], most: int, seconds: float
    ) -> list[Given]:
        """Give a worker executions of some agents, each under a lease of its own.

        Args:
            caller: on whose behalf.
            worker: the name that is recorded.
            agent_ids: of the agents it can run, of the caller's workspace.
            most: executions at once.
            seconds: to wait for the first one.

        Returns:
            At most so many; none when none came in that time.
        """
        places = [Place(caller.workspace, agent_id) for agent_id in agent_ids]
        deadline = self._loop.time() + seconds
        while True:
            given: list[Given] = []
            while len(given) < most and (id_ := self.queue.take(places)) is not None:
                given += await self._give(caller, worker, id_)
            left = deadline - self._loop.time()
            if given or left <= 0 or self._closing:
                return given
            await self.queue.arrival(places, left)

    async def _give(self, caller: Caller, worker: str, id_: str) -> list[Given]:
        token = secrets.token_urlsafe(24)
        try:
            await self._services.record(Claim(id_, worker, digest_of_token(token)), caller)
        except IllegalTransition:
            return []  # another worker was faster, or it is over
        except BaseException:  # whoever asked is gone, or the disk is: it must not wait for ever
            self._do(self._requeue(id_))
            raise
        return [Given(await self._known(id_), token)]

    async def hear_from(self, workspace: str, execution_id: str, lease: str | None) -> None:
        """A worker is there: its lease has its whole time again.

        Raises:
            NotFound: there is no such execution in this workspace.
            LeaseLost: it is worked on under another lease, or under none.
        """
        if self.leases.digest_of(execution_id) is None:  # after a restart the log knows first
            found = await self._assignment(execution_id)
            if found is None or found.workspace != workspace:
                raise NotFound("execution", execution_id)
            if not found.status.is_terminal:
                self._take_in_lease(found)
        self.leases.check(workspace, execution_id, lease)
        self.leases.heard(execution_id, lease)

    async def go_on(
        self, caller: Caller, execution_id: str, lease: str | None, seconds: float
    ) -> Assignment:
        """Let a worker who waited for a human go on, once there is an answer.

        Returns:
            How the execution stands: running if the answer was yes; awaiting_approval if there is
            none yet after so many seconds; or how it ended.

        Raises:
            NotFound: there is no such execution in the caller's workspace.
            LeaseLost: the execution was given to another meanwhile.
        """
        await self.hear_from(caller.workspace, execution_id, lease)
        deadline = self._loop.time() + seconds
        with self._services.hub.join(execution_id) as channel:
            while True:
                seen = channel.last
                found = await self._known(execution_id)
                left = deadline - self._loop.time()
                if found.status is not Status.AWAITING_APPROVAL or left <= 0 or self._closing:
                    break
                await channel.went_on(max(seen, found.version), left)
        if found.status is Status.APPROVED:
            start = Start(execution_id, found.worker or "", lease=lease)
            await self._services.record(start, caller)
            found = await self._known(execution_id)
        return found

    async def _known(self, id_: str) -> Assignment:
        found = await self._assignment(id_)
        assert found is not None
        return found

    async def _assignment(self, id_: str) -> Assignment | None:
        facts = await self._services.read(partial(self._services.ledger.read_facts, id_))
        is_one = bool(facts) and facts[0].topic == e.Created.TOPIC
        return assignment_of(facts) if is_one else None

    # What happens in the ledger.

    def _hear(self, recorded: Sequence[Recorded]) -> None:
        """Pass on what concerns workers; called on the writer's thread after each commit."""
        news = [event for event in recorded if event.topic in _FOLLOW and _may_concern(event)]
        if news and not self._closing:
            with contextlib.suppress(RuntimeError):  # the loop may close in this very moment
                self._loop.call_soon_threadsafe(self._follow, news)

    def _follow(self, news: Sequence[Recorded]) -> None:
        for event in news:
            _FOLLOW[event.topic](self, event)

    def _created(self, event: Recorded) -> None:
        self.queue.put(Place(_workspace(event), event.facts["agent_id"]), event.id)

    def _started(self, event: Recorded) -> None:
        facts, workspace = event.facts, _workspace(event)
        self.queue.drop(event.id)
        if "lease" in facts:
            self.leases.grant(event.id, workspace, facts["lease"])
        else:
            self.leases.end(event.id)
        if "deadline_at" in facts:
            self.overdue.must_end(event.id, workspace, facts["deadline_at"])

    def _parked(self, event: Recorded) -> None:
        self.leases.park(event.id)
        self.overdue.suspend(event.id)

    def _approved(self, event: Recorded) -> None:
        if not self.leases.unpark(event.id):
            self._do(self._requeue(event.id))

    def _lost(self, event: Recorded) -> None:
        self._ended(event)
        self._do(self._requeue(event.id))

    def _cancelling(self, event: Recorded) -> None:
        self.overdue.cancelling(event.id, _workspace(event), event.facts.get("reason"))

    def _ended(self, event: Recorded) -> None:
        self.queue.drop(event.id)
        self.leases.end(event.id)
        self.overdue.forget(event.id)

    async def _requeue(self, id_: str) -> None:
        """Let an execution wait for a worker again, after the pause that its version asks for."""
        found = await self._known(id_)
        if found.waits_for_a_worker:
            await asyncio.sleep(found.pause_seconds)
            self.queue.put(Place(found.workspace, found.agent_id), id_)

    async def _recover(self) -> None:
        """Find what was begun before this process; tried again until it is known."""
        while True:
            try:
                found = await self._services.query(unfinished)
                for each in found:
                    await self._take_in(each)
            except Exception:  # whatever the disk does, workers must be served
                log.exception("cannot read what waits to be taken up; trying again")
                await asyncio.sleep(_PAUSE_AFTER_FAULT_SECONDS)
            else:
                return

    async def _take_in(self, each: Unfinished) -> None:
        if each.status is Status.PENDING:
            self.queue.put(Place(each.workspace, each.agent_id), each.id)
        elif not (each.worker or "").startswith(EMBEDDED):
            found = await self._known(each.id)
            self._take_in_lease(found)
            self._take_in_duties(found, cancelling=each.cancelling)

    def _take_in_lease(self, found: Assignment) -> None:
        id_ = found.execution_id
        if found.lease is None or self.leases.digest_of(id_) is not None:
            return
        self.leases.grant(id_, found.workspace, found.lease)
        if found.status is Status.AWAITING_APPROVAL:
            self.leases.park(id_)
        elif found.status is Status.APPROVED:
            self.leases.unpark(id_)

    def _take_in_duties(self, found: Assignment, *, cancelling: bool) -> None:
        if found.status is not Status.RUNNING:
            return
        if found.deadline_at is not None:
            self.overdue.must_end(found.execution_id, found.workspace, found.deadline_at)
        if cancelling:
            self.overdue.cancelling(found.execution_id, found.workspace, None)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_FOLLOW: Final[Mapping[str, Callable[[Dispatch, Recorded], None]]] = {
    e.Created.TOPIC: Dispatch._created,  # noqa: SLF001 - its own table
    e.Started.TOPIC: Dispatch._started,  # noqa: SLF001
    e.ApprovalRequested.TOPIC: Dispatch._parked,  # noqa: SLF001
    e.Approved.TOPIC: Dispatch._approved,  # noqa: SLF001
    e.WorkerLost.TOPIC: Dispatch._lost,  # noqa: SLF001
    e.CancellationRequested.TOPIC: Dispatch._cancelling,  # noqa: SLF001
    **dict.fromkeys(ENDINGS, Dispatch._ended),  # noqa: SLF001
}
"""What each fact means for whoever works, or waits for work."""

DISPATCH: web.AppKey[Dispatch] = web.AppKey("dispatch", Dispatch)


def _workspace(event: Recorded) -> str:
    workspace: str = event.envelope["workspace"]
    return workspace


def _may_concern(event: Recorded) -> bool:
    """Whether a worker may have to do with it; cheap, and sometimes a yes too many."""
    return event.topic != e.Created.TOPIC or _TO_EXECUTE in event.state
