"""A method that is written once and called twice: by the blocking client and by the asyncio one.

A resource's method says what is to be done and returns it as data. Looked up on a resource of the
blocking client it does it and returns the result; on one of the asyncio client it returns what can
be awaited, or iterated over with `async for`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from ledger_client.paging import Page, call_after
from ledger_client.request import Call, Task
from ledger_client.transport import AsyncTransport, Transport

P = ParamSpec("P")
T = TypeVar("T")


class Blocking:
    """Makes a resource one of the blocking client."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport


class Awaiting:
    """Makes a resource one of the asyncio client."""

    def __init__(self, transport: AsyncTransport) -> None:
        self.transport = transport


class Method(Generic[P, T]):
    """A method with one result."""

    def __init__(self, make: Callable[Concatenate[Any, P], Task[T]]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, resource: Blocking, owner: Any = None) -> Callable[P, T]: ...
    @overload
    def __get__(self, resource: Awaiting, owner: Any = None) -> Callable[P, Awaitable[T]]: ...
    @overload
    def __get__(self, resource: None, owner: Any = None) -> "Method[P, T]": ...
    def __get__(self, resource: Any, owner: Any = None) -> Any:
        if resource is None:
            return self
        make = self._make.__get__(resource)
        transport: Any = resource.transport
        if isinstance(transport, Transport):
            return wraps(make)(lambda *args, **named: transport.run(make(*args, **named)))

        @wraps(make)
        async def call(*args: P.args, **named: P.kwargs) -> T:
            result: T = await transport.run(make(*args, **named))
            return result

        return call


class Walk(Generic[P, T]):
    """A method that reads a list to its end, page by page."""

    def __init__(self, make: Callable[Concatenate[Any, P], Call[Page[T]]]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, resource: Blocking, owner: Any = None) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, resource: Awaiting, owner: Any = None) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(self, resource: None, owner: Any = None) -> "Walk[P, T]": ...
    def __get__(self, resource: Any, owner: Any = None) -> Any:
        if resource is None:
            return self
        make = self._make.__get__(resource)
        walk = _walk if isinstance(resource.transport, Transport) else _walk_async
        return wraps(make)(lambda *args, **named: walk(resource.transport, make(*args, **named)))


def _walk(transport: Transport, first: Call[Page[T]]) -> Iterator[T]:
    call: Call[Page[T]] | None = first
    while call is not None:
        page = transport.run(call)
        yield from page
        call = call_after(call, page)


async def _walk_async(transport: AsyncTransport, first: Call[Page[T]]) -> AsyncIterator[T]:
    call: Call[Page[T]] | None = first
    while call is not None:
        page = await transport.run(call)
        for each in page:
            yield each
        call = call_after(call, page)
