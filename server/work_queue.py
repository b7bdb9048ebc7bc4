"""Executions that wait to be taken up, by agent; and whoever waits for one. On the event loop only.

Nothing depends on what is kept here: the log says which executions wait, and the ledger lets only
one worker have each. An id too many costs a refused command, and one that is missing is found at
the next start.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple


class Place(NamedTuple):
    """Where an execution waits: its agent, in its workspace."""

    workspace: str
    agent_id: str


@dataclass(slots=True)
class Waiter:
    """Somebody who waits for an execution."""

    places: frozenset[Place]
    name: str
    is_told_to_leave: bool = False


class WorkQueue:
    """First come, first served, for each agent."""

    def __init__(self) -> None:
        self._ids: dict[Place, OrderedDict[str, None]] = {}
        self._places: dict[str, Place] = {}
        self._waiters: dict[asyncio.Future[None], Waiter] = {}

    def __len__(self) -> int:
        return len(self._places)

    def put(self, place: Place, id_: str) -> None:
        """Let an execution wait; whoever waits for one of its agent looks again."""
        if id_ in self._places:
            return
        self._places[id_] = place
        self._ids.setdefault(place, OrderedDict())[id_] = None
        for future, waiter in self._waiters.items():
            if place in waiter.places and not future.done():
                future.set_result(None)
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

    async def arrival(self, places: Collection[Place], seconds: float, name: str = "") -> bool:
        """Wait for an execution of these agents, at most so long, or until told to leave.

        Args:
            places: of the agents.
            seconds: at most.
            name: of whoever waits, for `leave`.

        Returns:
            Whether to go on waiting makes sense.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = self._waiters[future] = Waiter(frozenset(places), name)
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            pass
        finally:
            del self._waiters[future]
        return not waiter.is_told_to_leave

    def leave(self, places: Collection[Place], name: str) -> None:
        """Let whoever waits under a name, for any of these agents, wait no more."""
        for future, waiter in self._waiters.items():
            if waiter.name == name and not waiter.places.isdisjoint(places):
                waiter.is_told_to_leave = True
                if not future.done():
                    future.set_result(None)

    def close(self) -> None:
        """Let nobody wait any more."""
        for future, waiter in self._waiters.items():
            waiter.is_told_to_leave = True
            if not future.done():
                future.set_result(None)
