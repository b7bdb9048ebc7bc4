"""Two installed servers on one PostgreSQL: what goes through one is live at the other."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.console import ServerProcess
from tests.postgres import fresh_schema


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[ServerProcess]]:
    with fresh_schema() as url:
        folders = [tmp_path / name for name in ("a", "b")]
        for folder in folders:
            folder.mkdir()
        both = [
            ServerProcess(each, "--no-worker", url=url, log_level="warning") for each in folders
        ]
        for server in both:
            server.start()
        yield both
        for server in both:
            server.stop()


def events_in(answer: tuple[int, bytes]) -> bytes:
    """A stream without the comments that say that somebody is there."""
    status, stream = answer
    assert status == 200
    return stream.replace(b": heartbeat\n\n", b"")


def test_a_run_that_is_recorded_through_either_is_live_at_both_as_the_same_bytes(
    servers: list[ServerProcess],
) -> None:
    a, b = servers
    created = a.call("POST", "/api/v1/executions", {"agent": "Writer", "input": {}})
    path = f"/api/v1/executions/{created[1]['data']['id']}"
    with ThreadPoolExecutor(2) as readers:
        streams = [
            readers.submit(each.call, "GET", f"{path}/stream", headers={"Last-Event-ID": "0"})
            for each in servers
        ]

        for number, server in enumerate((b, a, b, a, b)):
            what = "start" if not number else "frames"
            body = {} if not number else {"type": "content", "content": f"piece {number}"}
            assert server.call("POST", f"{path}/{what}", body)[0] in {200, 201}
        assert a.call("POST", f"{path}/complete", {"output": {}})[0] == 200

        live = [events_in(stream.result(30)) for stream in streams]

    assert live[0] == live[1] == events_in(b.call("GET", f"{path}/replay"))
    assert live[0].count(b"piece") == 4
