"""What the documentation shows in `bash` and `python` blocks works, in the order shown."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.metrics import Metrics
from tests.e2e.console import ServerProcess

ROOT = Path(__file__).resolve().parents[2]
SHOWN_ADDRESS = "http://127.0.0.1:8080"
SECONDS = 50


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run(*command: str, folder: Path) -> str:
    """What a command prints. It finds the Python of this environment, and must succeed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


def run_bash(document: str, server: ServerProcess, folder: Path) -> str:
    script = "set -euo pipefail\n" + "".join(blocks(document, "bash"))
    return run("bash", "-c", script.replace(SHOWN_ADDRESS, server.url), folder=folder)


@pytest.fixture(scope="module")
def demo_agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that runs the demo's agents."""
    server = ServerProcess(
        tmp_path_factory.mktemp("demo"), "--agents", "server.demo:agents", durability="normal"
    )
    server.start()
    yield server
    server.stop()


def test_the_tour_of_the_readme_can_be_followed(demo_agents: ServerProcess, tmp_path: Path) -> None:
    printed = run_bash("README.md", demo_agents, tmp_path)

    statuses = [line for line in printed.splitlines() if re.fullmatch("[a-z_]+", line)]
    assert statuses == ["awaiting_approval", "awaiting_approval"]
    assert "event: done\nid: 12\n" in printed
    assert "the same bytes" in printed
    assert '"reason": "the photo shows it"' in printed


def test_a_run_can_be_recorded_as_the_api_page_shows(
    demo_agents: ServerProcess, tmp_path: Path
) -> None:
    printed = run_bash("docs/api.md", demo_agents, tmp_path)

    names = re.findall(r"^event: (\w+)$", printed, re.MULTILINE)
    assert names == [
        *("execution", "status", "thinking", "tool_start", "tool_end", "content", "usage", "done")
    ]
    assert re.findall(r'"line":(\d+),"(id|error)"', printed) == [
        ("2", "id"),
        ("3", "id"),
        ("4", "error"),
    ]


def test_the_published_client_works_as_the_readme_shows(
    demo_agents: ServerProcess, tmp_path: Path
) -> None:
    (program,) = (each for each in blocks("README.md", "python") if "base_url" in each)

    printed = run(
        sys.executable, "-c", program.replace(SHOWN_ADDRESS, demo_agents.url), folder=tmp_path
    )

    assert printed == "completed It records. 9\n"


def test_an_agent_of_ones_own_runs_as_the_readme_shows(tmp_path: Path) -> None:
    (module,) = (each for each in blocks("README.md", "python") if "AgentSet" in each)
    (tmp_path / "my_agents.py").write_text(module, "utf-8")
    server = ServerProcess(tmp_path, "--agents", "my_agents:agents")

    server.start()
    try:
        _, agents = server.call("GET", "/api/v1/agents?name=greeter")
        path = f"/api/v1/agents/{agents['data'][0]['id']}/execute"
        status, answer = server.call("POST", path, {"input": {"name": "Ada"}})
    finally:
        server.stop()

    assert (status, answer["data"]["status"]) == (201, "completed")
    assert answer["data"]["output"] == {"greeted": "Ada"}


def test_a_backup_is_made_while_the_server_writes_as_the_operations_page_shows(
    tmp_path: Path,
) -> None:
    (program,) = blocks("docs/operations.md", "python")
    server = ServerProcess(tmp_path)
    server.start()
    run_id = recorded(server)

    run(sys.executable, "-c", program.replace("execution-ledger.db", "ledger.db"), folder=tmp_path)

    server.stop()
    restored = ServerProcess(tmp_path)
    (tmp_path / "restored").mkdir()
    restored.database = tmp_path / "backup.db"
    restored.start()
    status, answer = restored.call("GET", f"/api/v1/executions/{run_id}")
    restored.stop()
    assert (status, answer["data"]["status"]) == (200, "completed")


def test_every_metric_is_documented(demo_agents: ServerProcess) -> None:
    written = (ROOT / "docs" / "operations.md").read_text("utf-8")

    _, exposed = demo_agents.call("GET", "/metrics")

    names = re.findall(r"^# HELP (\w+) ", exposed.decode(), re.MULTILINE)
    names = [name for name in names if not name.endswith("_created")]
    assert len(names) > len(list(Metrics().registry.collect()))
    assert [name for name in names if f"| `{name}` |" not in written] == []


@pytest.mark.parametrize(("length", "status"), [(8_100, 200), (8_200, 400)])
def test_a_header_is_bounded_as_the_api_page_says(
    demo_agents: ServerProcess, length: int, status: int
) -> None:
    answered, _ = demo_agents.call("GET", "/healthz", headers={"X-Long": "x" * length})

    assert "8,190 bytes" in (ROOT / "docs" / "api.md").read_text("utf-8")
    assert answered == status


def recorded(server: ServerProcess) -> str:
    """Record a run that is over; its id."""
    body = {"agent": "a", "input": {}, "output": {}}
    status, answer = server.call("POST", "/api/v1/executions/record", body)
    assert status == 201, answer
    run_id: str = answer["data"]["id"]
    return run_id
