"""What can go wrong, as exceptions.

LedgerClientError            whatever this package raises
├── ConnectionFailed         nobody answered, or the answer broke off
├── TimedOut                 what was waited for did not come in time
└── ApiError                 the server answered, and the answer is no
    ├── BadRequest           400: correct the request; `code` says which of many reasons
    ├── Unauthorized         401: no key, or one that opens nothing
    ├── Forbidden            403: the key's role or workspace does not allow it
    ├── NotFound             404: nothing of that id in this workspace
    ├── VersionMismatch      412: the execution went on since it was read
    ├── PayloadTooLarge      413: send less at once
    ├── RateLimited          429: more requests than the key may make
    └── ServerError          5xx: a fault of the server, or it cannot serve now
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final


class LedgerClientError(Exception):
    """Whatever this package raises."""


class ConnectionFailed(LedgerClientError):
    """Nobody answered at the address, or the answer broke off."""


class TimedOut(LedgerClientError):
    """What was waited for did not come in time."""


class ApiError(LedgerClientError):
    """The server answered, and the answer is no.

    Attributes:
        status: the HTTP status.
        code: a stable word for programs.
        message: a sentence for people.
        details: what the server added, by name.
        retry_after: seconds to wait before another try, if the server said so.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{message} ({status} {code})")
        self.status = status
        self.code = code
        self.message = message
        self.details: Mapping[str, Any] = details or {}
        self.retry_after = retry_after


class BadRequest(ApiError):
    """The request cannot be served as it is."""


class Unauthorized(ApiError):
    """No key, or one that opens nothing."""


class Forbidden(ApiError):
    """The key's role or workspace does not allow it."""


class NotFound(ApiError):
    """Nothing of that id in this workspace, or no such route."""


class VersionMismatch(ApiError):
    """The execution is not at the expected version any more."""


class PayloadTooLarge(ApiError):
    """More than the server takes at once."""


class RateLimited(ApiError):
    """More requests than the key may make."""


class ServerError(ApiError):
    """A fault of the server, or it cannot serve now."""


_OF_STATUS: Final[Mapping[int, type[ApiError]]] = {
    HTTPStatus.BAD_REQUEST: BadRequest,
    HTTPStatus.UNAUTHORIZED: Unauthorized,
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.PRECONDITION_FAILED: VersionMismatch,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: PayloadTooLarge,
    HTTPStatus.TOO_MANY_REQUESTS: RateLimited,
}


def api_error(
    status: int, body: Any, retry_after: float | None = None, phrase: str = ""
) -> ApiError:
    """The exception for an answer of 400 or more.

    Args:
        status: of the answer.
        body: decoded JSON, or None where there was none.
        retry_after: seconds, from the header.
        phrase: the reason phrase, in case that the body says nothing.
    """
    said = body if isinstance(body, dict) else {}
    error = said.get("error")
    code = str(said.get("type") or "").rpartition(":")[2] or f"http_{status}"
    message = error if isinstance(error, str) else str(said.get("detail") or phrase or "refused")
    details: Mapping[str, Any] = {}
    if isinstance(error, dict):
        code = str(error.get("code") or code)
        message = str(error.get("message") or message)
        details = error.get("details") or {}
    is_fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    kind = ServerError if is_fault else _OF_STATUS.get(status, ApiError)
    return kind(status, code, message, details, retry_after)
