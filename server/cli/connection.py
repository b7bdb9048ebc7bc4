"""HTTP as the commands speak it: an answer, a refusal, or a server that is not there."""

from collections.abc import AsyncIterator, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple, Self

import aiohttp
import typer

from ledger.strict_json import decode_stored, encode
from server.cli.output import clean

PREFIX: Final = "/api/v1"
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5)
_OF_A_STREAM = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)

Json = dict[str, Any]
Query = Mapping[str, str | int | float | bool | None]


class Refusal(Exception):
    """The server's no, in its own words."""

    def __init__(self, status: int, code: str, *words: str) -> None:
        """`words` are the message, and what else is wrong, a line for each."""
        super().__init__(clean("\n  ".join(words)))
        self.status = status
        self.code = code


class Unreachable(Exception):
    """Nobody answers at the address."""


class Reply(NamedTuple):
    """An answer: as it came, and read."""

    text: bytes
    body: Any

    @property
    def data(self) -> Any:
        """What was asked for."""
        return self.body["data"]


class Api:
    """A server, as one caller sees it. Use as a context."""

    def __init__(self, url: str, key: str = "", workspace: str = "") -> None:
        if not url.startswith(("http://", "https://")):
            message = f"{url!r} is no address of a server; it begins with http:// or https://"
            raise typer.BadParameter(message, param_hint="--server")
        self.url = url.rstrip("/")
        headers = {"X-API-Key": key, "X-Workspace-ID": workspace}
        self._headers = {name: value for name, value in headers.items() if value}

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers=self._headers, timeout=_TIMEOUT)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, path: str, query: Query | None = None) -> Reply:
        """Ask. Raises Refusal, Unreachable."""
        return await self._ask("GET", path, query, None)

    async def post(self, path: str, body: Json | None = None, query: Query | None = None) -> Reply:
        """Ask for something to be done. Raises Refusal, Unreachable."""
        return await self._ask("POST", path, query, encode(body or {}))

    async def delete(self, path: str) -> None:
        """Ask for something to be taken away. Raises Refusal, Unreachable."""
        await self._ask("DELETE", path, None, None)

    async def _ask(self, method: str, path: str, query: Query | None, body: bytes | None) -> Reply:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            async with self._session.request(
                method, self._url(path), params=_given(query), data=body, headers=headers
            ) as response:
                return await _read(response)
        except (aiohttp.ClientConnectionError, aiohttp.InvalidURL, TimeoutError) as error:
            raise self._unreachable(error) from error

    async def stream(self, path: str, query: Query | None = None) -> AsyncIterator[bytes]:
        """The bytes of a stream, as they come.

        Raises:
            Refusal: instead of a stream.
            Unreachable: nobody answers, or the stream broke off.
        """
        try:
            async with self._session.get(
                self._url(path), params=_given(query), timeout=_OF_A_STREAM
            ) as response:
                if response.status != HTTPStatus.OK:
                    await _read(response)
                async for chunk in response.content.iter_any():
                    yield chunk
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(error) from error

    def _url(self, path: str) -> str:
        return f"{self.url}{PREFIX}{path}" if path.startswith("/") else f"{self.url}/{path}"

    def _unreachable(self, error: BaseException) -> Unreachable:
        if isinstance(error, aiohttp.ClientConnectorError):
            return Unreachable(f"no server answers at {self.url}")
        why = str(error) or type(error).__name__
        return Unreachable(f"the server at {self.url} did not answer to the end ({why})")


def _given(query: Query | None) -> dict[str, str]:
    """The parameters that have a value, as text."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in (query or {}).items()
        if value is not None and value != ""
    }


async def _read(response: aiohttp.ClientResponse) -> Reply:
    text = await response.read()
    try:
        body = decode_stored(text) if text else {}
    except ValueError:
        body = {}
    if response.status < HTTPStatus.BAD_REQUEST:
        return Reply(text, body)
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        words = (str(error.get("message")), *_further(error.get("details") or {}))
        raise Refusal(response.status, str(error.get("code")), *words)
    said = str(error or f"{response.status} {response.reason}")
    raise Refusal(response.status, "server_error", said)


def _further(details: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong beside the first thing, which the message names."""
    found = details.get("problems") or details.get("violations") or ()
    for each in found[1:]:
        yield f"{each['path'] or 'input'}: {each['message']}"
