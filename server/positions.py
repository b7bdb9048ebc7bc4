"""Positions of the log that callers are told, and send back: what they know, any server then shows.

An answer to a write says how far the log was; a request that carries that is answered by nobody who
knows less, whichever of several servers it comes to.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

from aiohttp import web

from projections.errors import InvalidQuery
from server.errors import InvalidRequest

HEADER: Final = "X-Ledger-Position"
PARAMETER: Final = "min_position"
WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})

AT_LEAST: ContextVar[int] = ContextVar("at_least", default=0)
"""What the caller of the request at hand knows: the log up to this position."""


def asked_position(request: web.Request, read: Callable[[str], int | None]) -> int:
    """The position that a request carries, by its header or its parameter; 0 when by neither.

    Args:
        request: that came in.
        read: makes a position of a text; None where it is none.

    Raises:
        InvalidRequest: the header is no position.
        InvalidQuery: the parameter is none.
    """
    header, position = request.headers.get(HEADER), 0
    if header is not None:
        told = read(header)
        if told is None:
            message = f"{HEADER}: {header[:40]!r} is not a position, a whole number from 0 on"
            raise InvalidRequest(message)
        position = told
    for text in request.query.getall(PARAMETER, ()):
        asked = read(text)
        if asked is None:
            raise InvalidQuery(PARAMETER, f"{text[:40]!r} is not a whole number from 0 on")
        position = max(position, asked)
    return position
