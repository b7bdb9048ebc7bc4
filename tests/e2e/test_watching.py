"""`executions watch` over restarts of the server: every frame once, to the end."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.console import SCRIPT, ServerProcess

SECONDS = 30
CONTENT = {"type": "content", "content": "still here"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path, durability="normal", shutdown_seconds="1")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def running(server: ServerProcess) -> str:
    """A run of which two frames were recorded."""
    _, made = server.call("POST", "/api/v1/executions", {"agent": "Scribe", "input": {}})
    id_: str = made["data"]["id"]
    server.call("POST", f"/api/v1/executions/{id_}/start", {})
    server.call("POST", f"/api/v1/executions/{id_}/frames", [CONTENT, CONTENT])
    return id_


def watching(server: ServerProcess, id_: str, *more: str) -> subprocess.Popen[str]:
    command = [str(SCRIPT), "executions", "watch", id_, "--server", server.url, *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def read_until(watch: subprocess.Popen[str], said: str) -> list[str]:
    """The lines up to the one that says so."""
    assert watch.stdout is not None
    lines: list[str] = []
    for line in watch.stdout:
        lines.append(line)
        if said in line:
            return lines
    raise AssertionError(lines)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_watch_goes_on_when_the_server_is_back(
    server: ServerProcess, running: str, how: str
) -> None:
    with watching(server, running) as watch:
        before = read_until(watch, "still here")
        before += read_until(watch, "still here")
        getattr(server, how)()
        server.start()
        server.call("POST", f"/api/v1/executions/{running}/frames", CONTENT)
        server.call("POST", f"/api/v1/executions/{running}/complete", {"output": {}})
        rest, told = watch.communicate(timeout=SECONDS)

    assert watch.returncode == 0, told
    numbers = [int(line.split()[0]) for line in [*before, *rest.splitlines()]]
    assert numbers == sorted(set(numbers))
    assert rest.count("still here") == 1
    assert "completed in" in rest
    assert "asking again for 60 seconds" in told


def test_a_watch_gives_up_on_a_server_that_stays_away(server: ServerProcess, running: str) -> None:
    with watching(server, running, "--patience", "0.1") as watch:
        read_until(watch, "still here")
        server.kill()
        _, told = watch.communicate(timeout=SECONDS)
    server.start()

    assert watch.returncode == 3
    assert f"no server answers at {server.url}" in told


def test_a_raw_watch_says_that_it_is_not_whole(server: ServerProcess, running: str) -> None:
    with watching(server, running, "--raw") as watch:
        read_until(watch, "still here")
        server.stop()
        rest, told = watch.communicate(timeout=SECONDS)
    server.start()

    assert watch.returncode == 3
    assert "watch it again" in told
    assert "event: done" not in rest


def test_a_watch_of_nothing_does_not_wait(server: ServerProcess) -> None:
    with watching(server, "nobody") as watch:
        _, told = watch.communicate(timeout=SECONDS)

    assert watch.returncode == 1
    assert "nobody" in told
    assert "asking again" not in told
