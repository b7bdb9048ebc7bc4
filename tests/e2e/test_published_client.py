"""Programs written for the hosted product work against us with only the address changed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.demo import PRICES
from tests.e2e.console import ServerProcess

PROGRAM = Path(__file__).with_name("published_client.py")
OLD = Path(sys.prefix) / "promptrails-0.8.0"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("published")
    process = ServerProcess(
        folder, "--agents", "server.demo:agents", prices=json.dumps(PRICES), log_level="debug"
    )
    process.start()
    yield process
    assert process.stop() == 0


@pytest.mark.parametrize("version", ["0.8.0", "0.9.2"])
def test_a_program_for_the_published_client_works_unchanged(
    server: ServerProcess, version: str
) -> None:
    """Agents, executions, approvals, costs, scores, traces and streams; blocking and asyncio."""
    path = str(OLD) if version == "0.8.0" else ""

    ran = subprocess.run(
        [sys.executable, str(PROGRAM), server.url],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr


def test_the_old_client_is_the_old_client() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "import promptrails; print(promptrails.__version__)"],
        env={**os.environ, "PYTHONPATH": str(OLD)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.strip() == "0.8.0"
