"""Stops what was begun for an execution that is stopped: its unfinished children, and theirs.

An execution is stopped when it is cancelled, and when it fails because a budget is spent.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final

import structlog

from ledger import events as e
from ledger.commands import Cancel
from ledger.errors import LedgerError, Unavailable
from ledger.event import Actor
from ledger.mapper import Recorded
from ledger.orders import Caller
from projections.unfinished import Child, children_to_stop
from server.auth import IN_PROCESS
from server.services import Services

_STOPS: Final = frozenset({e.CancellationRequested.TOPIC, e.Cancelled.TOPIC})
_SYSTEM: Final = Actor(type="system", id="families", auth=IN_PROCESS)
_PAUSE_AFTER_FAULT_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 60.0
_VIEW: Final = "executions"

log = structlog.get_logger()


class Families:
    """Follows cancellations down the tree, as every server does. On the event loop only."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Follow the log from here on, and stop what an end of the process left undone."""
        self._services.hub.listen(self._follow)
        self._do(self._stop_children(None))

    async def stop(self) -> None:
        """End what is under way; the next start does it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _follow(self, recorded: Sequence[Recorded]) -> None:
        for event in recorded:
            if event.topic in _STOPS or _is_spent(event):
                self._do(self._stop_children(event.id))

    async def _stop_children(self, parent: str | None) -> None:
        """Cancel the unfinished children of one execution that is stopped, or of all of them."""
        position = self._services.ledger.position
        while True:
            try:
                for child in await self._children(parent, position):
                    await self._cancel(child)
            except Exception:  # whatever the disk does, children must not outlive their parents
                log.exception("cannot stop the children of what was cancelled; trying again")
                await asyncio.sleep(_PAUSE_AFTER_FAULT_SECONDS)
            else:
                return

    async def _children(self, parent: str | None, position: int) -> list[Child]:
        """Those to stop, once the views tell of all that was recorded, however long that takes."""
        while not await self._services.catch_up.reached(position, _PATIENCE_SECONDS, _VIEW):
            log.warning("waiting for the views, to find children to stop", position=position)
        return await self._services.query(lambda c: children_to_stop(c, parent), fresh=False)

    async def _cancel(self, child: Child) -> None:
        how = "was cancelled" if child.parent_error_code is None else "spent its budget"
        reason = f"its parent {child.parent_id} {how}"
        try:
            await self._services.record(Cancel(child.id, reason), Caller(child.workspace, _SYSTEM))
        except Unavailable:
            raise
        except LedgerError as refusal:  # or another server was faster
            log.debug("the child went on or ended meanwhile", reason=str(refusal))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _is_spent(event: Recorded) -> bool:
    return event.topic == e.Failed.TOPIC and event.facts["error_code"] == "budget_exceeded"
