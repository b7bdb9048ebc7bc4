"""Sees to what nobody asks for: workers that fell silent, work that must end by now."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from ledger.commands import Command, LoseWorker
from ledger.errors import IllegalTransition, LeaseLost
from ledger.event import Actor
from ledger.orders import Caller
from server.auth import IN_PROCESS
from server.hearing import Hearing
from server.leases import Lease, Leases
from server.overdue import Due, Overdue
from server.services import Services

SYSTEM: Final = Actor(type="system", id="dispatch", auth=IN_PROCESS)
"""Who takes executions back, and ends what is overdue."""

log = structlog.get_logger()


class Supervisor:
    """Takes executions back from silent workers, and ends what is overdue.

    Every server does, and the ledger lets the first one have its way; to the others it is refused.
    `requeue` lets an execution wait for a worker again.
    """

    def __init__(
        self,
        services: Services,
        leases: Leases,
        hearing: Hearing,
        overdue: Overdue,
        requeue: Callable[[str], None],
    ) -> None:
        self._services = services
        self._leases = leases
        self._hearing = hearing
        self._overdue = overdue
        self._requeue = requeue

    async def look_after(self) -> None:
        """Look again and again, for ever."""
        while True:
            await asyncio.sleep(self._hearing.every)
            await asyncio.gather(
                *(self._take_back(lease) for lease in await self._hearing.silent()),
                *(self._end(due) for due in self._overdue.due()),
            )

    async def _take_back(self, lease: Lease) -> None:
        """Record that a worker fell silent; one that was to go on after an answer just lost it."""
        id_ = lease.execution_id
        if lease.resuming:
            self._leases.drop(lease)
            self._requeue(id_)
            return
        most = self._services.settings.most_attempts
        lost = LoseWorker(id_, most, lease.heard_at, lease.digest)
        if not await self._recorded(lost, lease.workspace):
            self._leases.drop(lease)

    async def _end(self, due: Due) -> None:
        command = due.command(self._leases.digest_of(due.execution_id))
        if not await self._recorded(command, due.workspace):
            self._overdue.drop(due)

    async def _recorded(self, command: Command, workspace: str) -> bool:
        """Record it; False when the execution moved on meanwhile. A fault is tried again later."""
        try:
            await self._services.record(command, Caller(workspace, SYSTEM))
        except (IllegalTransition, LeaseLost) as refusal:
            log.debug("the execution moved on meanwhile", reason=str(refusal))
            return False
        except Exception:  # the next look finds it again
            log.exception("cannot end what is overdue; trying again")
        return True
