"""Executions that wait to be taken up, by agent; and whoever waits for one. On the event loop only.

Nothing depends on what is kept here: the log says which executions wait, and the ledger lets only
one worker have each. An id too many costs a refused command, and one that is missing is found at
the next start.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from itertools import count
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
    """First come, first served, among all the agents that a worker runs."""

    def __init__(self) -> None:
        self._turns = count()
        self._ids: dict[Place, OrderedDict[str, int]] = {}
        self._places: dict[str, Place] = {}
        self._waiters: dict[asyncio.Future[None], Waiter] = {}

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
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._pass_on(places)
            raise
        finally:
            self._waiters.pop(future, None)
        if waiter.is_told_to_leave:
            self._pass_on(places)
        return not waiter.is_told_to_leave

    def _pass_on(self, places: Collection[Place]) -> None:
        """What somebody was woken for who does not take it is for somebody else."""
        for place in places:
            if place in self._ids:
                self._wake_for(place)

    def _wake_for(self, place: Place) -> None:
        for future, waiter in self._waiters.items():
            if place in waiter.places and not future.done():
                future.set_result(None)
                return

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


def _turn(head: tuple[str, int]) -> int:
    return head[1]
