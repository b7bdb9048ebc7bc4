"""The one door from refusals and faults to HTTP.

A refusal that a published client can meet is 400, whatever a purist would choose: those clients
retry every 4xx they do not know as if the server had failed.
"""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from aiohttp import web

from ledger import errors as ledger_errors
from ledger.strict_json import encode
from projections import errors as view_errors

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_STORE_FAILED: Final = (
    "the store failed just now, and nothing was recorded; try again. The server's log says why"
)

log = structlog.get_logger()


class RequestError(Exception):
    """What is wrong with a request, before the ledger is asked."""

    code = "bad_request"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, Any] = details


class InvalidRequest(RequestError):
    """A body, a query or a header that does not say what it should; names the place."""

    code = "validation_error"


class PayloadTooLarge(RequestError):
    """A body or an event beyond the stated limit."""

    code = "payload_too_large"


class Unauthorized(RequestError):
    """No key, or one that opens nothing."""

    code = "unauthorized"


class Forbidden(RequestError):
    """The key's role or workspace does not allow it."""

    code = "forbidden"


class TooManyRequests(RequestError):
    """More requests than a key may make."""

    code = "rate_limited"


STATUS: Final[Mapping[type[Exception], HTTPStatus]] = {
    RequestError: HTTPStatus.BAD_REQUEST,
    PayloadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Unauthorized: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    ledger_errors.NotFound: HTTPStatus.NOT_FOUND,
    ledger_errors.RoleRequired: HTTPStatus.FORBIDDEN,
    ledger_errors.Refused: HTTPStatus.BAD_REQUEST,
    ledger_errors.VersionMismatch: HTTPStatus.PRECONDITION_FAILED,
    ledger_errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    view_errors.InvalidQuery: HTTPStatus.BAD_REQUEST,
}
"""Nearest ancestor wins. What is not here is a fault of ours: 500."""

_CODE_OF_STATUS = {
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "payload_too_large",
}


def status_of(error: Exception) -> HTTPStatus | None:
    """The status of a refusal; None for a fault."""
    return next((STATUS[cls] for cls in type(error).__mro__ if cls in STATUS), None)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error with the one body there is. An error in a stream ends the stream."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return _aiohttp_problem(request, error)
    except web.RequestPayloadError as error:
        return _unreadable(request, error)
    except Exception as error:
        return problem_of(error, request.path)


def problem_of(error: Exception, instance: str) -> web.Response:
    """The answer to a refusal or a fault. A fault is logged, and says nothing of itself."""
    status = status_of(error)
    if status is None:
        log.exception("request failed", path=instance)
        return problem(
            HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "internal error", instance=instance
        )
    code = getattr(error, "code", "refused")
    details = getattr(error, "details", {})
    message = str(error)
    if isinstance(error, ledger_errors.StoreFailed):  # the driver's words name hosts and files
        log.error("the store failed", path=instance, error=message)
        message = _STORE_FAILED
    headers = {}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "1"
    if status is HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = "1"
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return problem(status, code, message, details, instance=instance, headers=headers)


def problem(
    status: HTTPStatus,
    code: str,
    message: str,
    details: Mapping[str, Any] | None = None,
    *,
    instance: str,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """The error body of the contract, with the members of RFC 9457 beside it.

    For 5xx `error` is a plain string: published clients read it so.
    """
    error: Any = message
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        error = {"code": code, "message": message, "details": details or {}}
    body = {
        "error": error,
        "type": f"urn:execution-ledger:{code}",
        "title": status.phrase,
        "status": int(status),
        "detail": message,
        "instance": instance,
    }
    return web.Response(
        status=status, body=encode(body), content_type="application/problem+json", headers=headers
    )


def _unreadable(request: web.Request, error: web.RequestPayloadError) -> web.Response:
    """The answer to a body that HTTP itself cannot read. Nothing after it can be read either."""
    said = " ".join(str(error).split()).removeprefix("400, message: ")
    answer = problem_of(InvalidRequest(f"body: it cannot be read: {said}"), request.path)
    answer.force_close()
    return answer


def _aiohttp_problem(request: web.Request, error: web.HTTPException) -> web.Response:
    status = HTTPStatus(error.status)
    code = _CODE_OF_STATUS.get(status, "bad_request")
    kept = {name: value for name, value in error.headers.items() if name == "Allow"}
    message = f"{request.method} {request.path}: {status.phrase.lower()}"
    if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        message += f"; a body has at most {request.client_max_size:,} bytes"
    return problem(status, code, message, instance=request.path, headers=kept)
