"""Speaking to the server in tests, and what every answer must look like."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from aiohttp.test_utils import TestClient
from multidict import CIMultiDictProxy

from tests.integration.contract import assert_described

Json = dict[str, Any]
PREFIX = "/api/v1"


class Reply(NamedTuple):
    """An answer, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    text: bytes

    @property
    def body(self) -> Any:
        return orjson.loads(self.text)

    @property
    def data(self) -> Any:
        """What was asked for. The answer must be a success."""
        assert self.status < 300, self.text
        return self.body["data"]

    @property
    def meta(self) -> Any:
        return self.body["meta"]

    @property
    def ids(self) -> list[str]:
        """The ids of a list."""
        return [item["id"] for item in self.data]


class Api:
    """A caller with a key, or without one."""

    def __init__(self, client: TestClient[Any, Any], **headers: str) -> None:
        self._client = client
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}

    @property
    def workspace(self) -> str:
        """The workspace that the caller names; "" without one."""
        return self._headers.get("X-Workspace-ID", "")

    def using(self, secret: str, workspace: str = "") -> "Api":
        """Another caller on the same server."""
        headers = {"X_API_Key": secret}
        if workspace:
            headers["X_Workspace_ID"] = workspace
        return Api(self._client, **headers)

    async def call(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Reply:
        """One request. `path` is relative to the API's prefix unless it begins with `//`."""
        url = path[1:] if path.startswith("//") else PREFIX + path
        given = {**self._headers, "Content-Type": "application/json", **(headers or {})}
        content = body if json is None else orjson.dumps(json)
        params = {name.rstrip("_"): str(value) for name, value in query.items()}
        async with self._client.request(
            method, url, data=content, headers=given, params=params
        ) as response:
            reply = Reply(response.status, response.headers, await response.read())
        is_json = response.content_type.endswith("json")
        media = response.content_type if reply.text else ""
        said = reply.body if is_json and reply.text else None
        assert_described(method, url, reply.status, media, said)
        return reply

    async def get(self, path: str, **query: Any) -> Reply:
        return await self.call("GET", path, **query)

    async def post(self, path: str, json: Any = None, **query: Any) -> Reply:
        return await self.call("POST", path, {} if json is None else json, **query)

    async def patch(self, path: str, json: Any) -> Reply:
        return await self.call("PATCH", path, json)

    async def delete(self, path: str) -> Reply:
        return await self.call("DELETE", path)


def assert_problem(reply: Reply, status: int, code: str, mentions: str = "") -> Json:
    """The one shape that every error has, wherever it comes from; gives back its details."""
    assert reply.status == status, reply.text
    assert reply.headers["Content-Type"] == "application/problem+json"
    body = reply.body
    assert set(body) == {"error", "type", "title", "status", "detail", "instance"}
    assert body["status"] == status
    assert body["type"] == f"urn:execution-ledger:{code}"
    assert body["instance"].startswith("/")
    if status >= 500:
        assert isinstance(body["error"], str)
        return {}
    assert set(body["error"]) == {"code", "message", "details"}
    assert body["error"]["code"] == code
    assert body["error"]["message"] == body["detail"] != ""
    assert mentions in body["detail"]
    details: Json = body["error"]["details"]
    return details
