"""What a worker says to its server, by aiohttp: a request costs a tenth of what it does by httpx.

A worker makes so many that this decides how many runs it gets done.
"""

import json
from io import BytesIO
from typing import Any, Final

import aiohttp
import httpx
from yarl import URL

from ledger_client.options import Options
from ledger_client.request import Reply, Request
from ledger_client.transport import AsyncExecutor, failed, patience, seconds_in

_MOST_AT_ONCE: Final = 2**20
"""Bytes of a body that are written in one piece."""


class Connection(AsyncExecutor):
    """A connection of one event loop; opened with the first request."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: Request) -> Reply:
        """One try of one request. Raises ConnectionFailed."""
        if self._session is None:
            self._session = _session(self.options)
        body: Any = request.body
        if body is not None and len(body) > _MOST_AT_ONCE:
            body = BytesIO(body)
        try:
            async with self._session.request(
                request.method,
                URL(self.options.url(request.path), encoded=True),
                params=request.params or None,
                data=body,
                headers={**self.options.seen.headers, **request.headers},
                allow_redirects=False,
            ) as response:
                self.options.seen.note(response.request_info.headers, response.headers)
                text = await response.read()
                after = seconds_in(response.headers.get("Retry-After"))
                return Reply(response.status, _decoded(text), after, response.reason or "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise failed(self.options, error) from error

    async def close(self) -> None:
        """Close it."""
        if self._session is not None:
            await self._session.close()


def _session(options: Options) -> aiohttp.ClientSession:
    """As many connections at once as there are requests: some wait for long."""
    connector: aiohttp.BaseConnector
    if options.socket is not None:
        connector = aiohttp.UnixConnector(options.socket, limit=0)
    elif options.base_url.startswith("https://"):
        connector = aiohttp.TCPConnector(limit=0, ssl=httpx.create_ssl_context())
    else:
        connector = aiohttp.TCPConnector(limit=0)
    connect, read = patience(options)
    return aiohttp.ClientSession(
        connector=connector,
        headers=options.headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=read),
        trust_env=options.socket is None,
    )


def _decoded(text: bytes) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None
