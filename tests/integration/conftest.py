"""A server in this process on real files; and states of it, each named for what was recorded."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from server.app import build_app
from server.settings import Settings
from tests.integration.api import Api, Json
from tests.quick_settings import quick_settings
from tests.stores import database_in


def settings_in(folder: Path) -> Settings:
    """Settings of a server whose files are in a folder."""
    return quick_settings(database_in(folder))


@asynccontextmanager
async def serving(application: web.Application) -> AsyncIterator[Api]:
    """Somebody who reaches a server."""
    async with TestClient(TestServer(application)) as client:
        yield Api(client)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def application(settings: Settings) -> web.Application:
    return build_app(settings, worker=False)


@pytest.fixture
async def api(application: web.Application) -> AsyncIterator[Api]:
    """A ledger with nothing in it and no keys: whoever reaches it is its administrator."""
    async with serving(application) as api:
        yield api


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def steward(kept_in: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """An administrator of everything, on a server that the tests of a module share.

    For tests in great number that record nothing another one looks at.
    """
    application = build_app(settings_in(tmp_path_factory.mktemp("shared")), worker=False)
    async with serving(application) as api:
        yield await key_of(api, "admin", "*", "steward")


@pytest.fixture
async def agent(api: Api) -> Json:
    """An agent without versions."""
    return await registered(api)


@pytest.fixture
async def running(api: Api, agent: Json) -> str:
    """An execution that somebody records."""
    return await started(api, agent["id"])


@pytest.fixture
async def parked(api: Api, running: str) -> str:
    """An execution that waits for a human."""
    asked = {"checkpoint_name": "send", "payload": {"to": "ada@example.com"}}
    await api.post(f"/executions/{running}/approvals", asked)
    return running


async def registered(api: Api, name: str = "Scribe", **facts: Any) -> Json:
    agent: Json = (await api.post("/agents", {"name": name, "type": "agent", **facts})).data
    return agent


async def started(api: Api, agent_id: str, **facts: Any) -> str:
    announced = await api.post("/executions", {"agent_id": agent_id, "input": {"q": 1}, **facts})
    id_: str = announced.data["id"]
    assert (await api.post(f"/executions/{id_}/start")).status == 200
    return id_


async def spent(api: Api, execution_id: str, **facts: Any) -> None:
    usage = {"model": "gpt-x", "prompt_tokens": 100, "completion_tokens": 20, "cost_usd": "0.003"}
    reply = await api.post(f"/executions/{execution_id}/usage", {**usage, **facts})
    assert reply.status == 200, reply.text


async def key_of(api: Api, role: str, workspace: str, name: str = "") -> Api:
    """A caller with a new key. The first key of a ledger must be an admin's of everything."""
    made = {"name": name or f"{role} of {workspace}", "role": role, "workspace": workspace}
    return api.using((await api.post("/keys", made)).data["secret"])
