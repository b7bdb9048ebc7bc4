"""The API's own description: the OpenAPI document, and a page to browse and try it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from aiohttp import web

from ledger.strict_json import encode
from server.openapi import document
from server.route import Answer, Call, Handle, Route

_OURS: Final = Path(__file__).parents[1] / "ui"
_PAGE: Final = "/docs"
_FILES: Final = {
    _PAGE: ("text/html", "docs.html"),
    "/docs/start.js": ("text/javascript", "docs.js"),
    "/docs/swagger-ui.js": ("text/javascript", "offapi/swagger_bundle.js"),
    "/docs/swagger-ui.css": ("text/css", "offapi/swagger_style.css"),
}
_HEADERS: Final = {
    "Cache-Control": "max-age=3600",
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


def routes_about(routes: Sequence[Route]) -> Sequence[Route]:
    """The routes that describe others."""

    @cache
    def described() -> bytes:
        return encode(document(routes))

    async def openapi(_: Call) -> Answer:
        """Every route, as OpenAPI 3.1."""
        return web.Response(body=described(), content_type="application/json")

    async def begin(_: Call) -> Answer:
        """Lead whoever opens the address in a browser to the page."""
        return web.Response(status=HTTPStatus.FOUND, headers={"Location": _PAGE})

    about = _route("/openapi.json", openapi, "Every route, as OpenAPI 3.1")
    root = replace(_route("/", begin, "Leads to the page to browse"), status=HTTPStatus.FOUND)
    pages = (
        _route(path, _file(*file), "The API, to browse and try" if path == _PAGE else "Its parts")
        for path, file in _FILES.items()
    )
    return (about, root, *pages)


def _file(content_type: str, name: str) -> Handle:
    @cache
    def content() -> bytes:
        return _place(name).read_bytes()

    async def send(_: Call) -> Answer:
        """Send a file of the page."""
        return web.Response(
            body=content(), content_type=content_type, charset="utf-8", headers=_HEADERS
        )

    return send


def _place(name: str) -> Path:
    """Where a file is. The package of Swagger UI is found, not imported: we need no code of it."""
    package, _, file = name.rpartition("/")
    if not package:
        return _OURS / name
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        message = f"{package} is not installed"
        raise ModuleNotFoundError(message)
    return Path(spec.origin).parent / file


def _route(path: str, handle: Handle, summary: str) -> Route:
    return Route(method="GET", path=path, handle=handle, summary=summary, tag="docs", public=True)
