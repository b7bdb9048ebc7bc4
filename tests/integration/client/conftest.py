"""A server with agents on a socket, and both clients of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger_client import AsyncLedger, Ledger
from server.demo import PRICES, agents
from server.settings import Settings
from tests.live_server import Caller, live_server
from tests.quick_settings import quick_settings
from tests.stores import database_in


def settings_in(folder: Path, **more: Any) -> Settings:
    """Settings of a server that lets whoever executes wait for the end."""
    return quick_settings(database_in(folder), **({"wait_seconds": 25} | more))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A server whose demo agents work."""
    settings = settings_in(tmp_path_factory.mktemp("client"), prices=PRICES, heartbeat_seconds=0.1)
    with live_server(settings, agents) as caller:
        yield caller


def address(server: Caller) -> str:
    return f"http://127.0.0.1:{server.port}"


@pytest.fixture
def ledger(server: Caller, tmp_path: Path) -> Iterator[Ledger]:
    """The blocking client."""
    with Ledger(address(server), spill=tmp_path / "spill") as ledger:
        yield ledger


@pytest.fixture(params=["blocking", "asyncio"])
async def client(request: pytest.FixtureRequest, server: Caller) -> Any:
    """Each client in turn; `settle` hides the difference."""
    if request.param == "blocking":
        with Ledger(address(server), spill=False) as blocking:
            yield blocking
    else:
        async with AsyncLedger(address(server), spill=False) as awaiting:
            yield awaiting
