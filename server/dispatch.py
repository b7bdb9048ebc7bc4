"""What workers ask of the server: work, more time, leave to go on. The commands do the rest."""

import asyncio
import secrets
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

from aiohttp import web

from ledger.commands import Claim, LoseWorker, Start
from ledger.errors import IllegalTransition, LeaseLost, LedgerError, NotFound
from ledger.orders import Caller, Receipt
from ledger.status import Status
from server.assignment import Assignment
from server.leases import digest_of_token
from server.services import Services
from server.standing import Standing
from server.work_queue import Place


class Given(NamedTuple):
    """An execution as it is given to a worker, and the token that its writes must carry, told once.

    `budget` says how the budgets stand that it spends from; None where there are none.
    """

    assignment: Assignment
    token: str | None = None
    budget: Mapping[str, Any] | None = None


class Dispatch:
    """Gives executions to workers that ask for them. On the event loop only."""

    def __init__(self, services: Services, standing: Standing) -> None:
        self._services = services
        self._standing = standing
        self.lease_seconds = services.settings.lease_seconds

    def heard(self, execution_id: str, lease: str | None) -> None:
        """A worker wrote: if it holds the lease, that has its whole time again."""
        self._standing.hearing.heard(execution_id, lease)

    def is_cancelling(self, execution_id: str) -> bool:
        """Whether the work is to stop."""
        return self._standing.overdue.is_cancelling(execution_id)

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
        deadline = _now() + seconds
        while True:
            ids = list(islice(iter(lambda: self._standing.queue.take(places), None), most))
            # Nothing may come between finding nothing and waiting for what comes.
            given = await self._give_all(caller, worker, ids) if ids else []
            if ids and not given:
                continue  # others were faster; more may wait
            left = deadline - _now()
            if given or left <= 0 or self._standing.closing:
                return given
            if not await self._standing.queue.arrival(places, left, worker):
                return []

    async def let_go_while_parked(self, execution_id: str) -> Assignment | None:
        """Nobody is to go on after a human's answer any more: another worker is given it then.

        Returns:
            The execution, if it waits for a human.
        """
        found = await self._standing.assignments.known(execution_id)
        if found.status is not Status.AWAITING_APPROVAL:
            return None
        self._standing.hearing.let_go(execution_id)
        return found

    def leave(self, caller: Caller, worker: str, agent_ids: Collection[str]) -> None:
        """Answer what a worker asks for work just now: it takes nothing up any more."""
        places = [Place(caller.workspace, agent_id) for agent_id in agent_ids]
        self._standing.queue.leave(places, worker)

    async def _give_all(self, caller: Caller, worker: str, ids: Sequence[str]) -> list[Given]:
        giving = asyncio.create_task(self._given(caller, worker, ids))
        try:
            return await asyncio.shield(giving)
        except asyncio.CancelledError:  # whoever asked is gone
            self._standing.see_to(self._give_back_all(caller, giving))
            raise

    async def _given(self, caller: Caller, worker: str, ids: Sequence[str]) -> list[Given]:
        """Those that were had. One that failed waits again; it counts if there is nothing else."""
        tokens = {id_: secrets.token_urlsafe(24) for id_ in ids}
        claiming = (self._claim(caller, worker, id_, token) for id_, token in tokens.items())
        results = await asyncio.gather(*claiming, return_exceptions=True)
        had = {
            id_: result
            for id_, result in zip(tokens, results, strict=True)
            if isinstance(result, Receipt)
        }
        failures = [each for each in results if isinstance(each, BaseException)]
        if failures and not had:
            raise failures[0]
        found = await self._standing.assignments.all_known([*had])
        return [
            Given(each, tokens[each.execution_id], had[each.execution_id].budget) for each in found
        ]

    async def _claim(self, caller: Caller, worker: str, id_: str, token: str) -> Receipt | None:
        try:
            return await self._services.record(Claim(id_, worker, digest_of_token(token)), caller)
        except IllegalTransition:
            return None  # another worker was faster, or it is over
        except BaseException:  # the disk is gone: it must not wait for ever
            self._standing.requeue(id_)
            raise

    def give_back(self, caller: Caller, given: Sequence[Given]) -> None:
        """Let others have what a worker was given that is gone; it used up no attempt."""
        for each in given:
            self._standing.see_to(self._give_back(caller, each))

    async def _give_back_all(self, caller: Caller, giving: asyncio.Task[list[Given]]) -> None:
        with suppress(LedgerError):
            self.give_back(caller, await giving)

    async def _give_back(self, caller: Caller, given: Given) -> None:
        id_, lease = given.assignment.execution_id, given.assignment.lease
        lost = LoseWorker(id_, most_attempts=0, lease=lease, in_good_order=True)
        with suppress(LedgerError):  # else its lease runs out
            await self._services.record(lost, caller)

    async def hear_from(self, workspace: str, execution_id: str, lease: str | None) -> None:
        """A worker is there: its lease has its whole time again.

        Raises:
            NotFound: there is no such execution in this workspace.
            LeaseLost: it is worked on under another lease, or under none.
        """
        known = self._standing.leases.of(execution_id)
        if known is not None and known.workspace != workspace:
            raise NotFound("execution", execution_id)
        if self._standing.hearing.heard(execution_id, lease):
            return
        # The log knows first: after a restart, and when the lease was given by another server.
        found = await self._standing.assignments.settled(execution_id)
        if found is None or found.workspace != workspace:
            raise NotFound("execution", execution_id)
        if not found.status.is_terminal:
            self._standing.take_in_lease(found)
        if not self._standing.hearing.heard(execution_id, lease):
            raise LeaseLost(execution_id, found.status)

    async def until_to_stop(self, execution_id: str, seconds: float) -> None:
        """Wait so long, or until the work on an execution is to stop or has ended."""
        deadline = _now() + seconds
        with self._services.hub.join(execution_id) as channel:
            while (
                self._standing.may_wait
                and self._standing.leases.digest_of(execution_id) is not None
            ):
                left = deadline - _now()
                if left <= 0 or self._standing.overdue.is_cancelling(execution_id):
                    return
                await channel.went_on(channel.last, left)

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
        deadline = _now() + seconds
        with self._services.hub.join(execution_id) as channel:
            while True:
                seen = channel.last
                found = await self._standing.assignments.known(execution_id)
                left = deadline - _now()
                parked = found.status is Status.AWAITING_APPROVAL
                if not parked or left <= 0 or not self._standing.may_wait:
                    break
                await channel.went_on(max(seen, found.version), left)
        if not found.status.is_terminal and found.lease != lease:
            raise LeaseLost(execution_id, found.status)  # this server had not heard of that yet
        if found.status is Status.APPROVED:
            start = Start(execution_id, found.worker or "", lease=lease)
            await self._services.record(start, caller)
            found = await self._standing.assignments.known(execution_id)
        return found


def _now() -> float:
    return asyncio.get_running_loop().time()


DISPATCH: web.AppKey[Dispatch] = web.AppKey("dispatch", Dispatch)
