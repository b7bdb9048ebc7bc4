"""An agent in the server's process survives the process: what was begun is taken up again."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.console import ServerProcess

AGENTS = """
import asyncio
from pathlib import Path
from typing import Any

from ledger_client.work import AgentSet, Run

agents = AgentSet()


@agents.agent(name="patient", version="1")
async def patient(run: Run, _: dict[str, Any]) -> dict[str, Any]:
    decision = await run.approval("begin", {"really": True})
    await run.thinking(f"attempt {run.attempt}")
    while not Path("go").exists():
        await asyncio.sleep(0.01)
    return {"attempt": run.attempt, "by": decision.by}
"""

EVENTS = "/api/v1/executions/{}/events?limit=1000"


@pytest.fixture
def server(tmp_path: Path) -> ServerProcess:
    """A server, not yet started, whose agents are in the folder where it is started."""
    (tmp_path / "patients.py").write_text(AGENTS)
    return ServerProcess(tmp_path, "--agents", "patients:agents", shutdown_seconds="0")


def asked(server: ServerProcess) -> str:
    """A run that was approved and that the agent is in the middle of."""
    _, page = server.call("GET", "/api/v1/agents?name=patient")
    path = f"/api/v1/agents/{page['data'][0]['id']}/execute"
    _, answer = server.call("POST", path, {"input": {}})
    id_: str = answer["data"]["id"]
    assert answer["data"]["status"] == "awaiting_approval"
    server.call("POST", f"/api/v1/executions/{id_}/approve", {})
    wait_for(server, id_, "thought")
    return id_


def wait_for(server: ServerProcess, id_: str, type_: str) -> list[dict[str, Any]]:
    """The history, once something of this type is the latest in it."""
    while True:
        _, page = server.call("GET", EVENTS.format(id_))
        events: list[dict[str, Any]] = page["data"]
        if events[-1]["type"] == type_:
            return events


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


@pytest.mark.parametrize("ending", ["kill", "stop"])
def test_a_run_in_the_middle_is_taken_up_again_and_nobody_asked_twice(
    server: ServerProcess, ending: str
) -> None:
    server.start()
    id_ = asked(server)
    getattr(server, ending)()
    (server.folder / "go").touch()

    server.start()
    events = wait_for(server, id_, "completed")

    assert server.stop() == 0
    assert types(events) == [
        "created",
        "started",
        "approval_requested",
        "approved",
        "started",
        "thought",
        "worker_lost",
        "started",
        "thought",
        "completed",
    ]
    assert events[-1]["data"]["output"] == {"attempt": 2, "by": "loopback"}
