"""Both clients of a server that listens on a unix socket."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from aiohttp import web

from ledger_client import AsyncLedger, Ledger
from server.app import build_app
from tests.integration.client.conftest import settings_in


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    runner = web.AppRunner(build_app(settings_in(tmp_path), worker=False))
    await runner.setup()
    with TemporaryDirectory() as folder:  # a short path: sockets want one
        socket = f"{folder}/socket"
        await web.UnixSite(runner, socket).start()
        yield f"unix://{socket}"
        await runner.cleanup()


async def test_an_agent_is_registered_by_one_client_and_found_by_the_other(address: str) -> None:
    def register() -> str:
        with Ledger(address, spill=False) as ledger:
            return str(ledger.agents.create(name="Clerk", type="agent").id)

    id_ = await asyncio.to_thread(register)

    async with AsyncLedger(address, spill=False) as ledger:
        assert (await ledger.agents.get(id_)).name == "Clerk"
