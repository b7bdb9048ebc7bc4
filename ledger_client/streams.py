"""Streams of events for programs: they come to their end however often a connection breaks."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, Self, overload

from ledger_client.errors import ApiError, ConnectionFailed
from ledger_client.events import ExecutionEvent
from ledger_client.following import Following
from ledger_client.method import Awaiting, Blocking
from ledger_client.models import Execution
from ledger_client.record import one
from ledger_client.request import Call, ask
from ledger_client.transport import AsyncTransport, Transport

P = ParamSpec("P")
Events = Generator[ExecutionEvent, None, None]
AsyncEvents = AsyncGenerator[ExecutionEvent, None]


class EventStream(Iterator[ExecutionEvent]):
    """Events of an execution as they come. Close it, or leave its block, to stop early."""

    def __init__(self, transport: Transport, following: Following) -> None:
        self._following = following
        self._events = _events(transport, following)

    @property
    def last_sequence(self) -> int:
        """Sequence of the last event that was given out; 0 before the first."""
        return self._following.last

    def __next__(self) -> ExecutionEvent:
        return next(self._events)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. The execution goes on."""
        self._events.close()


class AsyncEventStream(AsyncIterator[ExecutionEvent]):
    """Events of an execution as they come. Close it, or leave its block, to stop early."""

    def __init__(self, transport: AsyncTransport, following: Following) -> None:
        self._following = following
        self._events = _events_async(transport, following)

    @property
    def last_sequence(self) -> int:
        """Sequence of the last event that was given out; 0 before the first."""
        return self._following.last

    async def __anext__(self) -> ExecutionEvent:
        return await anext(self._events)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection. The execution goes on."""
        await self._events.aclose()


class Streamed(Generic[P]):
    """A method that follows a stream; the counterpart of `Method`."""

    def __init__(self, make: Callable[Concatenate[Any, P], Following]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, resource: Blocking, owner: Any = None) -> Callable[P, EventStream]: ...
    @overload
    def __get__(self, resource: Awaiting, owner: Any = None) -> Callable[P, AsyncEventStream]: ...
    @overload
    def __get__(self, resource: None, owner: Any = None) -> "Streamed[P]": ...
    def __get__(self, resource: Any, owner: Any = None) -> Any:
        if resource is None:
            return self
        make = self._make.__get__(resource)
        kind = EventStream if isinstance(resource.transport, Transport) else AsyncEventStream
        return wraps(make)(lambda *args, **named: kind(resource.transport, make(*args, **named)))


def _events(transport: Transport, following: Following) -> Events:
    while not following.ended:
        try:
            with transport.open(following.request()) as chunks:
                for chunk in chunks:
                    yield from following.feed(chunk)
                    if following.ended:
                        return
            pause = following.closed(transport.run(_execution(following)))
        except (ConnectionFailed, ApiError) as error:
            pause = following.lost(error)
        if not following.ended:
            transport.pause(pause)


async def _events_async(transport: AsyncTransport, following: Following) -> AsyncEvents:
    while not following.ended:
        try:
            async with transport.open(following.request()) as chunks:
                async for chunk in chunks:
                    for event in following.feed(chunk):
                        yield event
                    if following.ended:
                        return
            pause = following.closed(await transport.run(_execution(following)))
        except (ConnectionFailed, ApiError) as error:
            pause = following.lost(error)
        if not following.ended:
            await transport.pause(pause)


def _execution(following: Following) -> Call[Execution]:
    return ask(following.execution_path, one(Execution))
