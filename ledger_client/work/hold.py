"""A worker's hold on one execution: everything it says to the server about it, under its lease."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from ledger_client.errors import ApiError, ConnectionFailed, RateLimited, ServerError
from ledger_client.jsontext import encode
from ledger_client.request import Call, Request, place, write
from ledger_client.transport import AsyncExecutor

Json = dict[str, Any]

OVER: Final = frozenset({"lease_lost", "illegal_transition", "not_found"})
"""Codes of refusals that say: the execution is another's, or has ended."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
_MOST_FAULTS = 5
_INTERNAL_ERROR = 500


class Hold:
    """An execution that this worker was given.

    Attributes:
        given: the assignment, as the server said it.
        on_cancellation: called when the server says that the work is to stop.
    """

    def __init__(self, transport: AsyncExecutor, given: Json) -> None:
        self.given = given
        self.execution_id: str = given["execution_id"]
        self.heartbeat_seconds: float = given["lease"]["heartbeat_seconds"]
        self.on_cancellation: Callable[[], None] = lambda: None
        self._transport = transport
        self._token: str = given["lease"]["token"]

    async def say(self, step: str, body: Json) -> Json:
        """Have something recorded, however long the server takes to be there.

        Raises:
            ApiError: it was refused.
        """
        return await self._write(step, encode(_given(body)))

    async def stream(self, frames: list[str]) -> Json:
        """Have frames recorded, each encoded already, in one durable append; what was answered.

        Raises:
            ApiError: they were refused.
        """
        return await self._write("frames", f"[{','.join(frames)}]")

    async def end(self, step: str, body: Json, frames: list[str]) -> None:
        """Have the end recorded, and the last frames before it, in one durable append.

        Raises:
            ApiError: they were refused.
        """
        said = ",".join(f"{encode(name)}:{encode(fact)}" for name, fact in _given(body).items())
        await self._write(step, f'{{{said},"frames":[{",".join(frames)}]}}')

    async def beat(self) -> bool:
        """Be heard of, for one heartbeat; whether the work is to stop.

        Answers early when it is.

        Raises:
            ApiError, ConnectionFailed: it was refused, or nobody answered.
        """
        body = {"wait_seconds": self.heartbeat_seconds}
        call = self._under_lease(write("POST", self._path("heartbeat"), _data, body))
        answer = await self._transport.run(call)
        return bool(answer["cancellation_requested"])

    async def go_on(self) -> Json:
        """Wait for a human's answer, a while; how the execution stands.

        Raises:
            ApiError: the execution is another's, or has ended.
        """
        return await self.say("go-on", {"wait_seconds": self.heartbeat_seconds})

    async def _write(self, step: str, text: str) -> Json:
        call = write("POST", self._path(step), _data, {})
        call = replace(call, request=replace(call.request, body=text.encode()))
        return await self._patiently(self._under_lease(call))

    def _path(self, step: str) -> str:
        return place("executions", self.execution_id, step)

    def _under_lease(self, call: Call[Json]) -> Call[Json]:
        headers = {**call.request.headers, "X-Lease-Token": self._token}
        request: Request = replace(call.request, headers=headers)
        return replace(call, request=request)

    async def _patiently(self, call: Call[Json]) -> Json:
        pause, faults = _FIRST_PAUSE, 0
        while True:
            try:
                answer = await self._transport.run(call)
            except (ConnectionFailed, ServerError, RateLimited) as error:
                faults += isinstance(error, ApiError) and error.status == _INTERNAL_ERROR
                if faults == _MOST_FAULTS:
                    raise
            else:
                if answer.get("cancellation_requested"):
                    self.on_cancellation()
                return answer
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def frame(type_: str, **facts: Any) -> str:
    """A frame as it is sent. Raises TypeError or ValueError for what JSON cannot hold."""
    return encode({"type": type_, **_given(facts)})


def _given(facts: Json) -> Json:
    return {name: fact for name, fact in facts.items() if fact is not None}


def _data(body: Any) -> Json:
    data: Json = body["data"]
    return data
