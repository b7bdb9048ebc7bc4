"""A request as data, and what its answer becomes. Whoever sends it need not know what it is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

from ledger_client.errors import ApiError, ConnectionFailed, api_error
from ledger_client.jsontext import encode
from ledger_client.retries import Retries

T = TypeVar("T")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    Attributes:
        method: of HTTP.
        path: below the API's prefix, with its parts quoted.
        query: parameters; what is None is not sent.
        body: encoded JSON; None for no body.
        headers: beside those of every request.
    """

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def params(self) -> dict[str, str]:
        """The query as it is sent."""
        given = ((name, value) for name, value in self.query.items() if value is not None)
        return {name: _text(value) for name, value in given}


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the status, the decoded body, and how long to wait if it was a not-now."""

    status: int
    body: Any
    retry_after: float | None = None
    phrase: str = ""

    @property
    def error(self) -> ApiError | None:
        """The refusal or the fault that this is; None for a success."""
        if self.status < 400:  # noqa: PLR2004  below are the successes of HTTP
            return None
        return api_error(self.status, self.body, self.retry_after, self.phrase)


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for some seconds."""

    seconds: float


Step = Request | Pause
Plan = Generator[Step, Reply | None, T]
"""What is to be done, step by step, without doing any of it.

A plan yields requests and pauses. It is sent the reply of each request, or thrown ConnectionFailed.
So the blocking client and the asyncio one share everything but the input and output.
"""


class Task(ABC, Generic[T]):
    """Something that a client can be asked for."""

    @abstractmethod
    def plan(self, retries: Retries) -> Plan[T]:
        """The steps that lead to its result."""


@dataclass(frozen=True, slots=True)
class Call(Task[T]):
    """One request, sent until it is answered; `parse` makes the result of the decoded body."""

    request: Request
    parse: Callable[[Any], T]

    def plan(self, retries: Retries) -> Plan[T]:
        """The request, and again after failures that are not its own fault.

        Raises:
            ApiError: the answer is no.
            ConnectionFailed: there was no answer, as often as it was tried.
        """
        failures = 0
        while True:
            error: ApiError | ConnectionFailed | None
            try:
                reply = yield self.request
            except ConnectionFailed as failed:
                error, reply = failed, None
            else:
                assert reply is not None
                error = reply.error
            if error is None:
                assert reply is not None
                return self.parse(reply.body)
            pause = retries.pause(error, failures)
            if pause is None:
                raise error
            failures += 1
            yield Pause(pause)

    def with_query(self, **query: Any) -> "Call[T]":
        """The same with other values for some parameters."""
        merged = {**self.request.query, **query}
        return replace(self, request=replace(self.request, query=merged))


def ask(path: str, parse: Callable[[Any], T], query: Mapping[str, Any] | None = None) -> Call[T]:
    """Ask, changing nothing."""
    return Call(Request("GET", path, query or {}), parse)


def by_metadata(metadata: Mapping[str, Any] | None) -> Json:
    """The filters of a query that are about keys of the metadata."""
    return {f"metadata.{name}": value for name, value in (metadata or {}).items()}


def write(
    method: str,
    path: str,
    parse: Callable[[Any], T],
    body: Json | None = None,
    key: str | None = None,
) -> Call[T]:
    """Have something recorded, once: all tries of one call carry the same idempotency key.

    Args:
        method: of HTTP.
        path: below the API's prefix.
        parse: makes the result of the decoded body.
        body: a JSON object; members that are None are left out. None sends no body.
        key: the idempotency key; by default one that nobody else has.
    """
    headers = {"Idempotency-Key": key or uuid4().hex}
    if body is None:
        return Call(Request(method, path, headers=headers), parse)
    given = {name: value for name, value in body.items() if value is not None}
    headers["Content-Type"] = "application/json"
    return Call(Request(method, path, body=encode(given).encode(), headers=headers), parse)


def place(*parts: str) -> str:
    """A path of parts, each quoted.

    Raises:
        ValueError: a part is empty, which would be the address of something else.
    """
    if not all(parts):
        message = f"an id is empty in {'/'.join(parts)}"
        raise ValueError(message)
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(_text(each) for each in value)
    isoformat = getattr(value, "isoformat", None)
    return str(isoformat() if callable(isoformat) else value)
