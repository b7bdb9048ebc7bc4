"""Executions that wait to be taken up, by agent; and whoever waits for one. On the event loop only.

Nothing depends on what is kept here: the log says which executions wait, and the ledger lets only
one worker have each. An id too many costs a refused command, and one that is missing is found at
the next start.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from typing import NamedTuple


class Place(NamedTuple):
    """Where an execution waits: its agent, in its workspace."""

    workspace: str
    agent_id: str


class WorkQueue:
    """First come, first served, for each agent."""

    def __init__(self) -> None:
        self._ids: dict[Place, OrderedDict[str, None]] = {}
        self._places: dict[str, Place] = {}
        self._waiters: dict[asyncio.Future[None], frozenset[Place]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def put(self, place: Place, id_: str) -> None:
        """Let an execution wait; whoever waits for one of its agent looks again."""
        if id_ in self._places:
            return
        self._places[id_] = place
        self._ids.setdefault(place, OrderedDict())[id_] = None
        for waiter, places in self._waiters.items():
            if place in places and not waiter.done():
                waiter.set_result(None)
                return

    def take(self, places: Collection[Place]) -> str | None:
        """The execution of these agents that waits longest at its own; None when none waits."""
        for place in places:
            ids = self._ids.get(place)
            if ids:
                id_ = next(iter(ids))
                self.drop(id_)
                return id_
        return None

    def drop(self, id_: str) -> None:
        """Let an execution wait no more."""
        place = self._places.pop(id_, None)
        if place is not None:
            del self._ids[place][id_]
            if not self._ids[place]:
                del self._ids[place]

    async def arrival(self, places: Collection[Place], seconds: float) -> None:
        """Wait for an execution of these agents, or so long."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = frozenset(places)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            pass
        finally:
            del self._waiters[waiter]

    def close(self) -> None:
        """Let nobody wait any more."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
