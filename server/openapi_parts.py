"""The parts of the OpenAPI document that no route says: its text, its headers, its errors."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from server.auth import WORKSPACE_PATTERN
from server.positions import HEADER, PARAMETER

Json = dict[str, Any]

DESCRIPTION: Final = """\
The flight recorder for AI agents: every run is an event log that you can watch live, replay, audit
and account for.

One object comes as `{"data": {…}}`, a list as `{"data": […], "meta": {…}}`, an error as `Problem`.
Times are RFC 3339 in UTC; an unset one is null. Money is US dollars: a JSON number, and an exact
decimal text in the field of the same name with `_usd`; unknown is null, never 0."""

_POSITION: Final[Json] = {"type": "integer", "minimum": 0}

ANSWER_HEADERS: Final[Mapping[str, Json]] = {
    HEADER: {
        "description": "How far the log was, this write included; to be sent with what is asked "
        "next, if that may come to another server.",
        "schema": _POSITION,
    },
}

HEADERS: Final[Mapping[str, Json]] = {
    "Workspace": {
        "name": "X-Workspace-ID",
        "in": "header",
        "description": "The workspace to work in, for keys that open more than one.",
        "schema": {"type": "string", "pattern": f"^{WORKSPACE_PATTERN}$"},
    },
    "Position": {
        "name": HEADER,
        "in": "header",
        "description": "What an answer to a write said by the header of the same name, from "
        "whichever server: the answer knows at least that, or says what it lacks by "
        "`X-Ledger-Behind`.",
        "schema": _POSITION,
    },
    "MinPosition": {
        "name": PARAMETER,
        "in": "query",
        "description": "The same as the header X-Ledger-Position, in the address.",
        "schema": _POSITION,
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same request with the same key is recorded once and gets the first "
        "answer again; with another body it is refused.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    "LeaseToken": {
        "name": "X-Lease-Token",
        "in": "header",
        "description": "The token of the lease under which the caller works on the execution; "
        "writes of a worker whose lease is over are refused with `lease_lost`.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "Refuse with 412 unless the execution is at this version.",
        "schema": {"type": "string", "examples": ['"v7"']},
    },
    "LastEventId": {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "Send the frames after this sequence; browsers set it when they reconnect.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    },
}

ERRORS: Final[Mapping[HTTPStatus, str]] = {
    HTTPStatus.BAD_REQUEST: "Refused: the request is not valid, or the rules say no.",
    HTTPStatus.UNAUTHORIZED: "No API key, or one that opens nothing.",
    HTTPStatus.FORBIDDEN: "The key's role or workspace does not allow it.",
    HTTPStatus.NOT_FOUND: "Nothing of that id in this workspace.",
    HTTPStatus.PRECONDITION_FAILED: "Not at the version that If-Match names.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body, or one event in it, is too large.",
    HTTPStatus.TOO_MANY_REQUESTS: "More requests than the key may make; see Retry-After.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A fault of the server; it is in its log.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not now, nothing was recorded; see Retry-After.",
}

STREAM = (
    "Frames of server-sent events: `event:` with the name, `id:` with the sequence, one line of "
    "`data:` with a JSON object, and an empty line. Lines that begin with a colon keep the "
    "connection open."
)
