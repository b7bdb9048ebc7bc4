"""The outermost layer: every request gets an id, is measured, and is logged when it fails."""

import logging
import re
from http import HTTPStatus
from time import perf_counter
from typing import Final

import structlog
from aiohttp import web

from ledger.ids import random_hex
from server.errors import Handler
from server.positions import HEADER, WRITES
from server.route import REQUEST_ID
from server.services import BEHIND, RECORDED, SERVICES

_REFUSAL: Final = int(HTTPStatus.BAD_REQUEST)
_FAULT: Final = int(HTTPStatus.INTERNAL_SERVER_ERROR)
_ROOT: Final = logging.getLogger()
"""Its level is the server's: a line that nobody will see is not even put together."""

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")

log = structlog.get_logger()


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Name the request, time it, count it under its route."""
    given = request.headers.get("X-Request-Id", "")
    request[REQUEST_ID] = given if _ID.match(given) else random_hex(8)
    BEHIND.set(0)
    RECORDED.set("")
    began = perf_counter()
    status = 0
    try:
        response = await handler(request)
        status = response.status
        if not response.prepared:
            response.headers["X-Request-Id"] = request[REQUEST_ID]
            if BEHIND.get():
                response.headers["X-Ledger-Behind"] = str(BEHIND.get())
            if request.method in WRITES and status < _REFUSAL:
                position = request.app[SERVICES].ledger.position
                response.headers[HEADER] = str(position)
        return response
    finally:
        seconds = perf_counter() - began
        resource = request.match_info.route.resource
        route = "unknown" if resource is None else resource.canonical
        metrics = request.app[SERVICES].metrics
        metrics.answered(request.method, route, str(status or "left"), seconds)
        if status >= _FAULT or _ROOT.isEnabledFor(logging.DEBUG):
            _log(request, status, seconds)


def _log(request: web.Request, status: int, seconds: float) -> None:
    level = log.error if status >= _FAULT else log.debug
    level(
        "request",
        id=request[REQUEST_ID],
        method=request.method,
        path=request.path,
        status=status,
        seconds=round(seconds, 6),
    )
