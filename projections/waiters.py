"""Waiting until views contain a position: threads and asyncio tasks, thousands at a time."""

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from itertools import groupby
from typing import NamedTuple

_Target = threading.Event | asyncio.Future[None]


class _Waiter(NamedTuple):
    position: int
    names: Collection[str]
    target: _Target


class Waiters:
    """Who waits for which projections to reach which position.

    A waiter costs an entry here and no thread; those of one event loop are woken by one call.
    """

    def __init__(self, hurry: Callable[[], None]) -> None:
        """`hurry` is called when somebody begins to wait."""
        self._hurry = hurry
        self._lock = threading.Lock()
        self._positions: Mapping[str, int] = {}
        self._waiting: dict[int, _Waiter] = {}  # by the identity of what is woken

    def __len__(self) -> int:
        return len(self._waiting)

    def moved(self, positions: Mapping[str, int]) -> None:
        """Note how far each projection is now, and wake whoever waited for that."""
        with self._lock:
            self._positions = dict(positions)
            reached = [waiter for waiter in self._waiting.values() if self._reached(waiter)]
            for waiter in reached:
                del self._waiting[id(waiter.target)]
        _wake([waiter.target for waiter in reached])

    def wait(self, position: int, timeout: float, names: Collection[str] = ()) -> bool:
        """Block this thread until the named projections, or all, have reached a position.

        Args:
            position: in the log.
            timeout: seconds.
            names: of the projections that matter; none means all.

        Returns:
            Whether they have.
        """
        event = threading.Event()
        if self._enter(_Waiter(position, names, event)):
            return True
        try:
            return event.wait(timeout)
        finally:
            self._leave(event)

    async def reached(self, position: int, timeout: float, names: Collection[str] = ()) -> bool:  # noqa: ASYNC109 - the answer is a bool, not an exception
        """The same for an asyncio task."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._enter(_Waiter(position, names, future)):
            return True
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError:
            return False
        finally:
            self._leave(future)
        return True

    def _enter(self, waiter: _Waiter) -> bool:
        """Add a waiter, unless there is nothing to wait for."""
        with self._lock:
            if self._reached(waiter):
                return True
            self._waiting[id(waiter.target)] = waiter
        self._hurry()
        return False

    def _leave(self, target: _Target) -> None:
        with self._lock:
            self._waiting.pop(id(target), None)

    def _reached(self, waiter: _Waiter) -> bool:
        names = waiter.names or self._positions
        return all(self._positions.get(name, -1) >= waiter.position for name in names)


def _wake(targets: Collection[_Target]) -> None:
    futures = []
    for target in targets:
        if isinstance(target, threading.Event):
            target.set()
        else:
            futures.append(target)
    futures.sort(key=lambda future: id(future.get_loop()))
    for _, group in groupby(futures, key=lambda future: id(future.get_loop())):
        batch = list(group)
        with suppress(RuntimeError):  # the loop is closed, and nobody waits on it any more
            batch[0].get_loop().call_soon_threadsafe(_settle, batch)


def _settle(futures: Collection["asyncio.Future[None]"]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
