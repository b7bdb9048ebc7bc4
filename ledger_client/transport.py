"""HTTP by httpx, once blocking and once for asyncio.

Nothing else of the package does input and output over the network, but what a worker does to be
quick.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import httpx

from ledger_client.errors import ApiError, ConnectionFailed, api_error
from ledger_client.options import Options
from ledger_client.request import Pause, Reply, Request, Step, Task
from ledger_client.retries import Retries

T = TypeVar("T")
_CONNECT_SECONDS = 5.0
_SILENCE_SECONDS = 60.0
_OF_A_STREAM = httpx.Timeout(_CONNECT_SECONDS, read=_SILENCE_SECONDS)
"""A stream that is alive says something every 15 seconds."""


class Transport:
    """A connection that blocks. Threads may share it."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.retries = Retries(options.max_retries)
        socket = options.socket
        via = None if socket is None else httpx.HTTPTransport(uds=socket)
        self._http = httpx.Client(**_settings(options), transport=via)

    def run(self, task: Task[T]) -> T:
        """Do a task, to its result. Raises what the task's plan raises."""
        plan = task.plan(self.retries)
        reply: Reply | None = None
        failed: ConnectionFailed | None = None
        try:
            while True:
                step = plan.send(reply) if failed is None else plan.throw(failed)
                reply, failed = None, None
                try:
                    reply = self._do(step)
                except ConnectionFailed as error:
                    failed = error
        except StopIteration as end:
            result: T = end.value
            return result

    def send(self, request: Request) -> Reply:
        """One try of one request. Raises ConnectionFailed."""
        try:
            return _reply(self.options, self._http.send(self._build(request)))
        except httpx.RequestError as error:
            raise failed(self.options, error) from error

    @contextmanager
    def open(self, request: Request) -> Iterator[Iterator[bytes]]:
        """The bytes of a stream, as they come. Raises ApiError, ConnectionFailed."""
        built = self._build(request, timeout=_OF_A_STREAM)
        try:
            response = self._http.send(built, stream=True)
            try:
                if response.is_error:
                    response.read()
                    raise _refusal(self.options, response)
                yield response.iter_raw()
            finally:
                response.close()
        except httpx.RequestError as error:
            raise failed(self.options, error) from error

    def pause(self, seconds: float) -> None:
        """Let some time pass."""
        time.sleep(seconds)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _do(self, step: Step) -> Reply | None:
        if isinstance(step, Pause):
            self.pause(step.seconds)
            return None
        return self.send(step)

    def _build(self, request: Request, **more: Any) -> httpx.Request:
        return self._http.build_request(**_arguments(self.options, request), **more)


class AsyncExecutor(ABC):
    """Does tasks with asyncio, however a request is sent."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.retries = Retries(options.max_retries)

    async def run(self, task: Task[T]) -> T:
        """Do a task, to its result. Raises what the task's plan raises."""
        plan = task.plan(self.retries)
        reply: Reply | None = None
        failed: ConnectionFailed | None = None
        try:
            while True:
                step = plan.send(reply) if failed is None else plan.throw(failed)
                reply, failed = None, None
                try:
                    reply = await self._do(step)
                except ConnectionFailed as error:
                    failed = error
        except StopIteration as end:
            result: T = end.value
            return result

    @abstractmethod
    async def send(self, request: Request) -> Reply:
        """One try of one request. Raises ConnectionFailed."""

    async def pause(self, seconds: float) -> None:
        """Let some time pass."""
        await asyncio.sleep(seconds)

    async def _do(self, step: Step) -> Reply | None:
        if isinstance(step, Pause):
            await self.pause(step.seconds)
            return None
        return await self.send(step)


class AsyncTransport(AsyncExecutor):
    """A connection for asyncio. Tasks of one event loop may share it."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        socket = options.socket
        via = None if socket is None else httpx.AsyncHTTPTransport(uds=socket)
        self._http = httpx.AsyncClient(**_settings(options), transport=via)

    async def send(self, request: Request) -> Reply:
        """One try of one request. Raises ConnectionFailed."""
        try:
            return _reply(self.options, await self._http.send(self._build(request)))
        except httpx.RequestError as error:
            raise failed(self.options, error) from error

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of a stream, as they come. Raises ApiError, ConnectionFailed."""
        built = self._build(request, timeout=_OF_A_STREAM)
        try:
            response = await self._http.send(built, stream=True)
            try:
                if response.is_error:
                    await response.aread()
                    raise _refusal(self.options, response)
                yield response.aiter_raw()
            finally:
                await response.aclose()
        except httpx.RequestError as error:
            raise failed(self.options, error) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _build(self, request: Request, **more: Any) -> httpx.Request:
        return self._http.build_request(**_arguments(self.options, request), **more)


def _settings(options: Options) -> dict[str, Any]:
    connect, read = patience(options)
    timeout = httpx.Timeout(read, connect=connect)
    return {"headers": options.headers, "timeout": timeout}


def _arguments(options: Options, request: Request) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": options.url(request.path),
        "params": request.params or None,
        "content": request.body,
        "headers": {**options.seen.headers, **request.headers},
    }


def _reply(options: Options, response: httpx.Response) -> Reply:
    options.seen.note(response.request.headers, response.headers)
    try:
        body = response.json() if response.content else None
    except ValueError:
        body = None
    after = seconds_in(response.headers.get("Retry-After"))
    return Reply(response.status_code, body, after, response.reason_phrase)


def _refusal(options: Options, response: httpx.Response) -> ApiError:
    reply = _reply(options, response)
    return api_error(reply.status, reply.body, reply.retry_after, reply.phrase)


def patience(options: Options) -> tuple[float, float]:
    """Seconds to wait for a connection, and for each part of an answer."""
    return min(options.timeout, _CONNECT_SECONDS), options.timeout


def seconds_in(header: str | None) -> float | None:
    """What Retry-After asks for. A date in it is not read: the usual pause is taken."""
    return float(header) if header and header.strip().isdigit() else None


def failed(options: Options, error: Exception) -> ConnectionFailed:
    """What is said of a server that did not answer."""
    why = str(error) or type(error).__name__
    return ConnectionFailed(f"the server at {options.base_url} did not answer: {why}")
