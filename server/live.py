"""Wake-ups: a stream that waits for an execution learns that it went on, and mostly how.

Nothing depends on what is kept here. The store has every event; a channel keeps the latest frames
so that the readers of a running execution need not all ask the store. Everything runs on the event
loop but `announce`, which the writer's thread calls after each commit.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from math import inf

from ledger.application import Listener
from ledger.events import FRAME_TOPICS
from ledger.mapper import Recorded
from ledger.writer import tell
from server.frames import ENDINGS, Frames, frame_of

_MOST_TAIL_BYTES = 256 * 1024
_FRAMES = frozenset(FRAME_TOPICS)


class Channel:
    """What the readers of one execution share: its latest frames, and the wait for the next."""

    __slots__ = ("_closed", "_end", "_tail", "_tail_bytes", "_waiting", "last", "readers")

    def __init__(self) -> None:
        self.readers = 0
        self.last = 0
        self._closed = False
        self._end: float = inf
        self._tail: deque[tuple[int, bytes]] = deque()
        self._tail_bytes = 0
        self._waiting: dict[asyncio.Future[None], int] = {}  # and after what each waits

    def publish(self, recorded: Recorded) -> None:
        """Keep the frame of the execution's next event."""
        frame = frame_of(recorded)
        self.last = recorded.version
        if recorded.topic in ENDINGS:
            self._end = recorded.version
        self._tail.append((recorded.version, frame))
        self._tail_bytes += len(frame)
        while self._tail_bytes > _MOST_TAIL_BYTES and len(self._tail) > 1:
            self._tail_bytes -= len(self._tail.popleft()[1])

    def after(self, sequence: int) -> Frames | None:
        """The frames after a sequence; None when they are not all here: then ask the store."""
        if not self._tail or self._tail[0][0] > sequence + 1:
            return None
        newest_first = takewhile(lambda item: item[0] > sequence, reversed(self._tail))
        items = list(newest_first)[::-1]
        last = items[-1][0] if items else sequence
        return Frames(b"".join(frame for _, frame in items), last, last >= self._end)

    def wake(self) -> None:
        """Let every reader look again that waits for what is there now.

        Who reads from the store may be ahead: other servers' events are announced a little later.
        """
        for future, after in self._waiting.items():
            if (self._closed or self.last > after) and not future.done():
                future.set_result(None)

    def close(self) -> None:
        """Let nobody wait any more, nor whoever is only about to."""
        self._closed = True
        self.wake()

    async def went_on(self, after: int, seconds: float) -> bool:
        """Wait for an event after a sequence, at most so long; whether there is one."""
        if self._closed or self.last > after:
            return self.last > after
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = after
        timer = asyncio.get_running_loop().call_later(seconds, _give_up, future)
        try:
            await future
        finally:
            timer.cancel()
            del self._waiting[future]
        return self.last > after


class Hub:
    """The channels of the executions that somebody reads just now."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._channels: dict[str, Channel] = {}
        self._everything = Channel()
        self._resting = Channel()  # nothing is ever published there
        self._listeners: list[Listener] = []
        self.closing = False

    @property
    def readers(self) -> int:
        """How many wait for news: streams, feeds of the whole ledger, and workers among them."""
        return self._everything.readers + sum(each.readers for each in self._channels.values())

    def announce(self, recorded: Sequence[Recorded]) -> None:
        """Tell the readers what was committed; called on the writer's thread."""
        self._loop.call_soon_threadsafe(self._publish, recorded)

    def listen(self, listener: Listener) -> None:
        """Tell a listener, on the event loop, what was committed and is no frame.

        It is told before any reader is woken. Frames come by the thousand, and only readers care.
        """
        self._listeners.append(listener)

    @contextmanager
    def join(self, execution_id: str) -> Iterator[Channel]:
        """Be a reader of an execution. Join before reading the store, and no event is missed."""
        channel = self._channels.setdefault(execution_id, Channel())
        channel.readers += 1
        try:
            yield channel
        finally:
            channel.readers -= 1
            if not channel.readers:
                del self._channels[execution_id]

    @contextmanager
    def join_everything(self) -> Iterator[Channel]:
        """Be a reader of the whole ledger; `last` is the last position there."""
        self._everything.readers += 1
        try:
            yield self._everything
        finally:
            self._everything.readers -= 1

    async def rest(self, seconds: float) -> None:
        """Wait so long, or until the streams are to end."""
        await self._resting.went_on(0, seconds)

    def close(self) -> None:
        """Let every stream end."""
        self.closing = True
        for channel in (*self._channels.values(), self._everything, self._resting):
            channel.close()

    def _publish(self, recorded: Sequence[Recorded]) -> None:
        facts = [event for event in recorded if event.topic not in _FRAMES]
        for listener in self._listeners if facts else ():
            tell(listener, facts)
        touched = set()
        for event in recorded if self._channels else ():
            channel = self._channels.get(event.id)
            if channel is not None:
                channel.publish(event)
                touched.add(channel)
        self._everything.last = recorded[-1].position
        touched.add(self._everything)
        for channel in touched:
            channel.wake()


def _give_up(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
