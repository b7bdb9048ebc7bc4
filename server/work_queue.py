"""Executions that wait to be taken up, by agent; and whoever waits for one. On the event loop only.

Nothing depends on what is kept here: the log says which executions wait, and the ledger lets only
one worker have each. An id too many costs a refused command, and one that is missing is found at
the next start.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from itertools import count
from typing import NamedTuple


class Place(NamedTuple):
    """Where an execution waits: its agent, in its workspace."""

    workspace: str
    agent_id: str


class WorkQueue:
    """First come, first served, among all the agents that a worker runs."""

    def __init__(self) -> None:
        self._turns = count()
        self._ids: dict[Place, OrderedDict[str, int]] = {}
        self._places: dict[str, Place] = {}
        self._waiters: dict[asyncio.Future[None], frozenset[Place]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def put(self, place: Place, id_: str) -> None:
        """Let an execution wait; whoever waits for one of its agent looks again."""
        if id_ in self._places:
            return
        self._places[id_] = place
        self._ids.setdefault(place, OrderedDict())[id_] = next(self._turns)
        self._wake_for(place)

    def take(self, places: Collection[Place]) -> str | None:
        """The execution of any of these agents that waits longest; None when none waits."""
        heads = [next(iter(self._ids[place].items())) for place in places if place in self._ids]
        if not heads:
            return None
        id_, _ = min(heads, key=_turn)
        self.drop(id_)
        return id_

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
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # what came is for somebody else now
                for place in places:
                    if place in self._ids:
                        self._wake_for(place)
            raise
        finally:
            self._waiters.pop(waiter, None)

    def _wake_for(self, place: Place) -> None:
        for waiter, places in self._waiters.items():
            if place in places and not waiter.done():
                waiter.set_result(None)
                return

    def close(self) -> None:
        """Let nobody wait any more."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


def _turn(head: tuple[str, int]) -> int:
    return head[1]
