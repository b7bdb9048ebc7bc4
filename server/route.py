"""A route as data: what it takes, what it gives, who may use it. OpenAPI is made of the same."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from ledger.errors import NotFound
from ledger.execution import Execution
from ledger.ids import trace_id_of
from ledger.mapper import Recorded
from ledger.orders import Caller
from ledger.strict_json import InvalidJson, decode, encode
from projections.errors import InvalidQuery
from server import positions
from server.auth import ADMIT, NOBODY, Permission, Principal
from server.errors import InvalidRequest, PayloadTooLarge
from server.leases import digest_of_token
from server.services import SERVICES, Services
from server.validation import problems_of

REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
"""The name of a request, in its log lines and in the envelopes of what it recorded."""

M = TypeVar("M", bound=BaseModel)
_LONGEST_KEY = 255
_MOST_DIGITS = 18


class Body(BaseModel):
    """A body of our own endpoints: an unknown key is refused, by its path."""

    model_config = ConfigDict(extra="forbid")


class LenientBody(BaseModel):
    """A body that published clients send: a newer client may say more, which is ignored."""

    model_config = ConfigDict(extra="ignore")


class Query(BaseModel):
    """The parameters of a query: an unknown one is refused, by its name."""

    model_config = ConfigDict(extra="forbid")


class Empty(LenientBody):
    """A body that says nothing."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was authenticated and whose parts were read."""

    request: web.Request
    services: Services
    principal: Principal
    body: Any
    query: Any

    @property
    def workspace(self) -> str:
        """The workspace the caller works in; nothing outside of it exists for them."""
        return self.principal.workspace

    def path(self, name: str) -> str:
        """A variable part of the path."""
        return self.request.match_info[name]

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """What is asked for in the query string, in order, without what any request may ask."""
        given = self.request.query.items()
        return [(name, text) for name, text in given if name != positions.PARAMETER]

    @property
    def trace_id(self) -> str | None:
        """The trace the request belongs to, if it says so."""
        return trace_id_of(self.request.headers.get("traceparent"))

    @property
    def lease(self) -> str | None:
        """The digest of the lease's token that the request carries, if it does."""
        token = self.request.headers.get("X-Lease-Token")
        return None if not token else digest_of_token(token)

    async def caller(self) -> Caller:
        """On whose behalf a command is given, with its idempotency key and its precondition."""
        key = self.request.headers.get("Idempotency-Key") or None
        if key is not None and len(key) > _LONGEST_KEY:
            message = f"Idempotency-Key: at most {_LONGEST_KEY} characters"
            raise InvalidRequest(message)
        return Caller(
            self.workspace,
            self.principal.actor,
            self.request.get(REQUEST_ID),
            key,
            await self._digest() if key else "",
            _expected_version(self.request.headers.get("If-Match")),
            self.principal.role,
        )

    async def _digest(self) -> str:
        """What the request said, so that a key cannot stand for two things."""
        said = f"{self.request.method} {self.request.path}\n".encode()
        return sha256(said + await self.request.read()).hexdigest()

    def check_execution(self, id_: str, events: Sequence[Recorded]) -> None:
        """Raises NotFound unless events begin an execution of the caller's workspace."""
        is_one = bool(events) and events[0].topic.startswith(f"{Execution.TOPIC}.")
        if not is_one or events[0].envelope["workspace"] != self.workspace:
            raise NotFound("execution", id_)

    def check_event(self, *facts: Any) -> None:
        """Raises PayloadTooLarge when the facts of one event come to more than the limit."""
        most = self.services.settings.max_payload_bytes
        check_event_size(sum(len(encode(fact)) for fact in facts), most)

    def size(self) -> int:
        """Bytes of the body, for the bound on what may wait."""
        return self.request.content_length or 0


Answer = web.StreamResponse
Handle = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method on one path.

    Attributes:
        summary: one line for people.
        body: what the body must be; None where there is none.
        query: what may be asked; None where nothing may.
        answer: the model of one object, for the documentation.
        many: whether the answer is a page (`page`), a plain `list`, or `one` object.
        lenient_query: parameters beyond `query` go to the handler, which refuses what it must.
        raw_body: the handler reads the body itself (NDJSON, arrays).
        verdict: the model of what is said of each line, where NDJSON is answered by a list.
        public: whether it is served to anybody who reaches the address.
        media: the content type of the answer.
        other_media: content types that a caller may ask for instead, with Accept.
    """

    method: str
    path: str
    handle: Handle
    summary: str
    tag: str
    needs: Permission = Permission.READ
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    many: str = "one"
    status: HTTPStatus = HTTPStatus.OK
    lenient_query: bool = False
    raw_body: bool = False
    verdict: type[BaseModel] | None = None
    public: bool = False
    media: str = "application/json"
    other_media: tuple[str, ...] = ()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Authenticate, read, call the handler."""
        services = request.app[SERVICES]
        if self.public:
            return await self.handle(Call(request, services, NOBODY, None, None))
        principal = request.app[ADMIT](request)
        principal.require(self.needs)
        positions.AT_LEAST.set(positions.asked_position(request, to_sequence))
        body = None
        if self.body is not None and not self.raw_body:
            body = read_model(self.body, await read_json(request, empty={}))
        query = None
        if not self.lenient_query:
            query = read_query(self.query or Query, request)
        return await self.handle(Call(request, services, principal, body, query))


async def read_json(request: web.Request, empty: Any = None) -> Any:
    """The body as strict JSON. Raises InvalidRequest with the line and column."""
    text = await request.read()
    if not text.strip() and empty is not None:
        return empty
    return parse_json(text, "body")


def parse_json(text: bytes, where: str) -> Any:
    """Strict JSON from bytes. Raises InvalidRequest that says where."""
    if not text or text.isspace():
        message = f"{where}: it is empty, where JSON is expected"
        raise InvalidRequest(message)
    try:
        return decode(text)
    except InvalidJson as error:
        message = f"{where}: {error}"
        raise InvalidRequest(message) from None


def read_model(model: type[M], value: Any) -> M:
    """A value as a model. Raises InvalidRequest with the path of each problem."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(error) from None


def read_query(model: type[M], request: web.Request) -> M:
    """The query string as a model.

    Raises:
        InvalidQuery: names the parameter that is unknown, given twice or of no meaning.
    """
    values: dict[str, str] = {}
    for name, value in request.query.items():
        if name in values:
            raise InvalidQuery(name, "given twice")
        values[name] = value
    values.pop(positions.PARAMETER, None)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problem = problems_of(error)[0]
        raise InvalidQuery(str(problem.steps[0]), problem.message) from None


def invalid(error: ValidationError, *within: str) -> InvalidRequest:
    """A validation error in words for the sender: the path of each problem, and the problem.

    Args:
        error: what pydantic raised.
        within: the steps to the value that was validated.
    """
    found = problems_of(error, *within)
    problems = [{"path": _path(each.steps), "message": each.message} for each in found]
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    message = f"{first['path'] or 'body'}: {first['message']}{more}"
    return InvalidRequest(message, problems=problems[:20])


def _path(steps: tuple[int | str, ...]) -> str:
    path = ""
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    return path


def _expected_version(if_match: str | None) -> int | None:
    if if_match is None or if_match == "*":
        return None
    text = if_match.strip().removeprefix("W/").strip('"').removeprefix("v")
    version = to_sequence(text)
    if version is None:
        message = f'If-Match: {if_match!r} is not of the form "vN"'
        raise InvalidRequest(message)
    return version


def to_sequence(text: str) -> int | None:
    """A sequence number or version written in digits; None when it is none."""
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if is_number else None


def one(value: Any, *, status: HTTPStatus = HTTPStatus.OK, version: int | None = None) -> Answer:
    """One object, in the envelope of the contract; `version` becomes the ETag."""
    headers = {} if version is None else {"ETag": f'"v{version}"'}
    return web.Response(
        status=status,
        body=encode({"data": value}),
        content_type="application/json",
        headers=headers,
    )


def page(items: Any, meta: Mapping[str, Any]) -> Answer:
    """A page of objects, with its meta."""
    return web.Response(body=encode({"data": items, "meta": meta}), content_type="application/json")


def nothing() -> Answer:
    """204: done, and nothing to say."""
    return web.Response(status=HTTPStatus.NO_CONTENT)


def check_event_size(size: int, most: int) -> None:
    """Raises PayloadTooLarge when a single event would be larger than the limit."""
    if size > most:
        message = f"an event of {size} bytes is larger than the limit of {most}"
        raise PayloadTooLarge(message, limit=most, size=size)
