"""One server for all tests of a module; each test has a workspace of its own.

A module may say in `SETTINGS` what its server is to be like.
"""

from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from server.app import build_app
from server.services import SERVICES, Services
from tests.integration.api import Api, Json
from tests.integration.conftest import registered, started
from tests.quick_settings import quick_settings
from tests.stores import database_in

_NUMBERS = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(
    request: pytest.FixtureRequest, kept_in: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[TestClient[Any, Any]]:
    """Somebody who reaches the server of the module."""
    database = database_in(tmp_path_factory.mktemp("wire"))
    settings = quick_settings(database, **getattr(request.module, "SETTINGS", {}))
    app = build_app(settings, worker=False)
    async with TestClient(TestServer(app, handler_cancellation=True)) as client:
        yield client


@pytest.fixture
def services(client: TestClient[Any, Any]) -> Services:
    """What the server works with."""
    assert client.app is not None
    services: Services = client.app[SERVICES]
    return services


@pytest.fixture
def api(client: TestClient[Any, Any]) -> Api:
    """An administrator in a workspace with nothing in it."""
    return Api(client, X_Workspace_ID=f"workspace-{next(_NUMBERS)}")


@pytest_asyncio.fixture(loop_scope="module")
async def agent(api: Api) -> Json:
    """An agent without versions."""
    return await registered(api)


@pytest_asyncio.fixture(loop_scope="module")
async def running(api: Api, agent: Json) -> str:
    """An execution that somebody records."""
    return await started(api, agent["id"])


@pytest_asyncio.fixture(loop_scope="module")
async def parked(api: Api, running: str) -> str:
    """An execution that waits for a human."""
    await api.post(f"/executions/{running}/approvals", {"checkpoint_name": "send"})
    return running
