"""A client sends along how far it was told the log is, so that any server knows what it knows."""

import re
from pathlib import Path

from ledger_client import AsyncLedger, Ledger
from ledger_client.options import read_options
from ledger_client.request import Request
from ledger_client.work.connection import Connection
from tests.integration.client.sockets import answer, scripted
from tests.live_server import Caller

_BODY = b'{"data": {"id": "x"}}'
SILENT = answer("200 OK", _BODY)


def told(position: int) -> bytes:
    return answer("200 OK", _BODY, f"X-Ledger-Position: {position}")


def sent(requests: list[bytes]) -> list[int]:
    return [
        int(found[0]) if (found := re.findall(rb"(?i)x-ledger-position: (\d+)", each)) else 0
        for each in requests
    ]


def test_what_was_told_is_sent_along_and_never_goes_back_by_itself() -> None:
    with (
        scripted(SILENT, told(7), told(9), SILENT, SILENT) as server,
        Ledger(f"http://127.0.0.1:{server.port}", spill=False) as ledger,
    ):
        for _ in range(5):
            ledger.executions.get("x")

        assert sent(server.requests) == [0, 0, 7, 9, 9]


async def test_the_asyncio_client_does_so_too() -> None:
    with scripted(told(7), SILENT) as server:
        async with AsyncLedger(f"http://127.0.0.1:{server.port}", spill=False) as ledger:
            await ledger.executions.get("x")
            await ledger.executions.get("x")

        assert sent(server.requests) == [0, 7]


async def test_so_does_a_worker() -> None:
    with scripted(told(7), SILENT) as server:
        options = read_options(
            base_url=f"http://127.0.0.1:{server.port}",
            api_key=None,
            workspace=None,
            timeout=30,
            max_retries=0,
            spill=False,
        )
        connection = Connection(options)
        for _ in range(2):
            await connection.send(Request("GET", "/executions/x"))
        await connection.close()

        assert sent(server.requests) == [0, 7]


def test_what_a_log_that_was_put_back_does_not_have_is_not_waited_for_again() -> None:
    with (
        scripted(told(9), told(3), told(4), SILENT) as server,
        Ledger(f"http://127.0.0.1:{server.port}", spill=False) as ledger,
    ):
        for _ in range(4):
            ledger.executions.get("x")

        assert sent(server.requests) == [0, 9, 3, 4]


def test_what_a_recording_is_told_the_client_knows_too(server: Caller, tmp_path: Path) -> None:
    with Ledger(f"http://127.0.0.1:{server.port}", spill=tmp_path / "spill") as ledger:
        with ledger.record(agent="positions") as run:
            run.content("hello")
        assert ledger.flush(30)

        assert ledger.options.seen.position > 0
