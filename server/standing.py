"""How the executions that concern workers stand: which wait, are worked on, are parked, must end.

It follows the log; at the start the same is read from the views and the log. Nothing depends on it
that the ledger does not check again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from aiohttp import web

from ledger import events as e
from ledger.clock import CLOCKS, Clocks
from ledger.commands import LoseWorker
from ledger.errors import IllegalTransition, LeaseLost
from ledger.mapper import Recorded
from ledger.orders import Caller
from ledger.status import Status
from projections.unfinished import Unfinished, unfinished
from server.assignment import Assignment
from server.assignments import Assignments
from server.frames import ENDINGS
from server.hearing import Hearing
from server.leases import Leases
from server.overdue import Overdue
from server.services import Services
from server.supervisor import SYSTEM, Supervisor
from server.work_queue import Place, WorkQueue

T = TypeVar("T")

_TO_EXECUTE = b'"mode":"execute"'
_PAUSE_AFTER_FAULT_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 60.0
_VIEW: Final = "executions"

log = structlog.get_logger()


class Standing:
    """What is known of them. On the event loop only."""

    def __init__(
        self,
        services: Services,
        clocks: Clocks = CLOCKS,
    ) -> None:
        self._services = services
        self._wall = clocks.wall
        self.assignments = Assignments(services)
        self.queue = WorkQueue()
        self.leases = Leases(services.settings.lease_seconds, clocks)
        self.hearing = Hearing(self.leases, services.heartbeats, services.read)
        self.overdue = Overdue(services.settings.cancel_grace_seconds, clocks)
        self._supervisor = Supervisor(
            services, self.leases, self.hearing, self.overdue, self.requeue
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._gone_before = 0
        self._moved: set[str] | None = set()
        """What something happened to, until all is found that was begun before."""
        self.closing = False

    async def start(self) -> None:
        """Follow the log from here on, and find what was begun before."""
        position, heartbeats = self._services.ledger.position, self._services.heartbeats
        if heartbeats is None or await self._services.read(heartbeats.is_alone):
            self._gone_before = position
        self._services.hub.listen(self._follow)
        self.see_to(self._recover())
        self.see_to(self._supervisor.look_after())

    def close(self) -> None:
        """Let nobody wait any more."""
        self.closing = True
        self.queue.close()

    async def stop(self) -> None:
        """End what is under way."""
        self.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Asking.

    @property
    def may_wait(self) -> bool:
        """Whether the server goes on for a while."""
        return not (self.closing or self._services.hub.closing)

    def requeue(self, id_: str) -> None:
        """Let an execution wait for a worker again, if it does, after its pause."""
        self.see_to(self._requeue(id_))

    # What happens in the ledger.

    def _follow(self, recorded: Sequence[Recorded]) -> None:
        for event in recorded:
            follow = _FOLLOW.get(event.topic)
            if follow is not None and not self.closing and _may_concern(event):
                if self._moved is not None:
                    self._moved.add(event.id)
                follow(self, event)

    def _created(self, event: Recorded) -> None:
        self.queue.put(Place(_workspace(event), event.facts["agent_id"]), event.id)

    def _started(self, event: Recorded) -> None:
        facts, workspace = event.facts, _workspace(event)
        self.queue.drop(event.id)
        if "lease" in facts:
            self.leases.grant(event.id, workspace, facts["lease"])
        else:
            self.leases.end(event.id)
        self._deadline(event)

    def _deadline(self, event: Recorded) -> None:
        if "deadline_at" in event.facts:
            self.overdue.must_end(event.id, _workspace(event), event.facts["deadline_at"])

    def _parked(self, event: Recorded) -> None:
        if event.facts.get("held_back"):  # whoever worked on it is done with it
            self.leases.end(event.id)
        else:
            self.leases.park(event.id)
        self.overdue.suspend(event.id)

    def _approved(self, event: Recorded) -> None:
        if not self.leases.unpark(event.id, resuming=True):
            self.requeue(event.id)

    def _denied(self, event: Recorded) -> None:
        """A no after which the run goes on: it is running already."""
        self._deadline(event)
        if not self.leases.unpark(event.id, resuming=False):
            self.see_to(self._go_on_after_no(event.id))

    def _lost(self, event: Recorded) -> None:
        self._ended(event)
        self.requeue(event.id)

    def _cancelling(self, event: Recorded) -> None:
        self.overdue.cancelling(event.id, _workspace(event), event.facts.get("reason"))

    def _ended(self, event: Recorded) -> None:
        self.queue.drop(event.id)
        self.leases.end(event.id)
        self.overdue.forget(event.id)

    async def _requeue(self, id_: str) -> None:
        """Let an execution wait for a worker again, after the pause that its version asks for.

        Every server does so; workers that were slower are refused.
        """
        found = await self._insist(partial(self.assignments.known, id_))
        if not found.waits_for_a_worker:
            return
        await asyncio.sleep(found.pause_left(self._wall()))
        settled = await self._insist(partial(self.assignments.settled, id_))
        if settled is not None and settled.waits_for_a_worker:  # it may have ended meanwhile
            self.queue.put(Place(found.workspace, found.agent_id), id_)

    async def _recover(self) -> None:
        """Find what was begun before this process, once the views know it all."""
        position = self._services.ledger.position
        while not await self._services.catch_up.reached(position, _PATIENCE_SECONDS, _VIEW):
            log.warning("waiting for the views, to find what waits for workers", position=position)
        for each in await self._insist(partial(self._services.query, unfinished, fresh=False)):
            await self._insist(partial(self._take_in, each))
        self._moved = None

    async def _take_in(self, each: Unfinished) -> None:
        if each.status is Status.PENDING:
            if each.worker is None and each.id not in (self._moved or ()):
                self.queue.put(Place(each.workspace, each.agent_id), each.id)
            else:  # its worker was lost, or something happened to it meanwhile
                self.requeue(each.id)
            return
        found = await self.assignments.settled(each.id)
        assert found is not None
        if self._is_abandoned(found) and found.status is Status.RUNNING:
            await self._take_back(found)
            return
        self.take_in_lease(found)
        self._take_in_duties(found, cancelling=each.cancelling)
        if self.leases.digest_of(each.id) is None and found.waits_for_a_worker:
            self.queue.put(Place(found.workspace, found.agent_id), each.id)

    def _is_abandoned(self, found: Assignment) -> bool:
        """Whether nobody can hold it: whoever took it up is done with it, let go, or is gone.

        An in-process worker ends with its server. So one that took it up before this server began
        is gone, if there was no other server then.
        """
        is_of_before = found.in_process and found.taken_up_at <= self._gone_before
        lease = self.leases.of(found.execution_id)
        has_let_go = lease is not None and lease.let_go
        return found.mode == "execute" and (is_of_before or found.held_back or has_let_go)

    async def _go_on_after_no(self, id_: str) -> None:
        """It is running already, and nobody is known to be at it."""
        await self._insist(partial(self._take_back_or_wait, id_))

    async def _take_back_or_wait(self, id_: str) -> None:
        found = await self.assignments.settled(id_)
        if found is None or found.status is not Status.RUNNING:
            return
        if self._is_abandoned(found):
            await self._take_back(found)
        else:  # its worker may have been cut off: it has a lease's time to be heard of
            self.take_in_lease(found)

    async def _take_back(self, found: Assignment) -> None:
        most = self._services.settings.most_attempts
        lost = LoseWorker(found.execution_id, most, lease=found.lease)
        try:
            await self._services.record(lost, Caller(found.workspace, SYSTEM))
        except (IllegalTransition, LeaseLost) as refusal:
            log.debug("the execution moved on meanwhile", reason=str(refusal))

    def take_in_lease(self, found: Assignment) -> None:
        """Give the lease that the log knows its whole time, where it is not known here yet."""
        id_ = found.execution_id
        is_known = self.leases.digest_of(id_) == found.lease
        if found.lease is None or is_known or self._is_abandoned(found):
            return
        self.leases.grant(id_, found.workspace, found.lease)
        if found.status is Status.AWAITING_APPROVAL:
            self.leases.park(id_)
        elif found.status is Status.APPROVED:
            self.leases.unpark(id_, resuming=True)

    def _take_in_duties(self, found: Assignment, *, cancelling: bool) -> None:
        if found.status is not Status.RUNNING:
            return
        if found.deadline_at is not None:
            self.overdue.must_end(found.execution_id, found.workspace, found.deadline_at)
        if cancelling:
            self.overdue.cancelling(found.execution_id, found.workspace, None)

    @staticmethod
    async def _insist(work: Callable[[], Awaitable[T]]) -> T:
        """Do it until it succeeds: whatever the disk does, no execution may be forgotten."""
        while True:
            try:
                return await work()
            except Exception:
                log.exception("cannot see to what waits for workers; trying again")
                await asyncio.sleep(_PAUSE_AFTER_FAULT_SECONDS)

    def see_to(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside whatever asked for it, until the server stops."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_FOLLOW: Final[Mapping[str, Callable[[Standing, Recorded], None]]] = {
    e.Created.TOPIC: Standing._created,  # noqa: SLF001 - its own table
    e.Started.TOPIC: Standing._started,  # noqa: SLF001 - its own table
    e.ApprovalRequested.TOPIC: Standing._parked,  # noqa: SLF001 - its own table
    e.Approved.TOPIC: Standing._approved,  # noqa: SLF001 - its own table
    e.Denied.TOPIC: Standing._denied,  # noqa: SLF001 - its own table
    e.WorkerLost.TOPIC: Standing._lost,  # noqa: SLF001 - its own table
    e.CancellationRequested.TOPIC: Standing._cancelling,  # noqa: SLF001 - its own table
    **dict.fromkeys(ENDINGS, Standing._ended),  # noqa: SLF001 - its own table
}
"""What each fact means for whoever works, or waits for work."""


def _workspace(event: Recorded) -> str:
    workspace: str = event.envelope["workspace"]
    return workspace


def _may_concern(event: Recorded) -> bool:
    """Whether a worker may have to do with it; cheap, and sometimes a yes too many."""
    return event.topic != e.Created.TOPIC or _TO_EXECUTE in event.state


STANDING: web.AppKey[Standing] = web.AppKey("standing", Standing)
