"""Workers that are killed, stopped and woken up as real processes, and so is their server."""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.console import ServerProcess, WorkerProcess

KILLS_OF_WORKERS = 20
KILLS_OF_THE_SERVER = 5
SECONDS = 40.0

AGENTS = """
import asyncio
import os
from pathlib import Path
from typing import Any

from ledger_client.work import AgentSet, Run

agents = AgentSet()


@agents.agent(name="counter", version="1")
async def count(run: Run, input: dict[str, Any]) -> dict[str, Any]:
    for number in range(input["frames"]):
        await run.content(f"{os.environ['WORKER']} {run.attempt} {number}")
        await asyncio.sleep(0.02)
    while not Path(input.get("until", ".")).exists():
        await run.thinking("not yet")
        await asyncio.sleep(0.02)
    return {"frames": input["frames"], "attempt": run.attempt}
"""


class Site:
    """A server, and workers that come and go."""

    def __init__(self, folder: Path, **settings: str) -> None:
        (folder / "counters.py").write_text(AGENTS)
        quick = {"durability": "normal", "log_level": "warning", "most_attempts": "100"}
        self.server = ServerProcess(folder, "--no-worker", **(quick | settings))
        self.workers: list[WorkerProcess] = []
        self._hired = 0
        self.server.start()

    def hire(self, *arguments: str) -> WorkerProcess:
        """A new worker."""
        self._hired += 1
        folder, url = self.server.folder, self.server.url
        name = f"worker-{self._hired}"
        worker = WorkerProcess(folder, url, "counters:agents", name, *arguments)
        self.workers.append(worker)
        return worker

    def kill(self, worker: WorkerProcess) -> None:
        """kill -9."""
        self.workers.remove(worker)
        worker.kill()

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
        self.server.kill()

    def get(self, path: str) -> Any:
        status, answer = self.server.call("GET", f"/api/v1{path}")
        assert status == 200, answer
        return answer["data"]

    def ask(self, **input_: Any) -> str:
        """Ask for a run of the agent, once some worker made it known."""
        (agent,) = until(lambda: self.get("/agents?name=counter"))
        body = {"input": input_, "async_mode": True}
        path = f"/api/v1/agents/{agent['id']}/execute"
        _, answer = self.server.call("POST", path, body)
        id_: str = answer["data"]["id"]
        return id_

    def shown(self, id_: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.get(f"/executions/{id_}")
        return shown

    def at_work(self) -> dict[str, str]:
        """Which workers work on what, once there is one."""
        path = "/executions?status=running&fields=id,worker&limit=100"
        return {each["worker"]: each["id"] for each in self.get(path)}

    def busy(self) -> WorkerProcess | None:
        """One of the workers that work on something."""
        names = self.at_work()
        return next((worker for worker in self.workers if worker.name in names), None)

    def completed(self, id_: str) -> dict[str, Any]:
        until(lambda: self.shown(id_)["status"] == "completed")
        return self.shown(id_)

    def history(self, id_: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self.get(f"/executions/{id_}/events?limit=1000")
        return events


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Site]:
    """A server on which a worker that is silent for a second is lost."""
    site = Site(tmp_path, lease_seconds="1")
    yield site
    site.close()


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Site]:
    """A server that is killed: its leases outlast a restart."""
    site = Site(tmp_path, lease_seconds="4")
    yield site
    site.close()


def until(look: Callable[[], Any]) -> Any:
    """What is seen, once it is something."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        threading.Event().wait(0.02)
    raise AssertionError("it did not happen")


def attempts(history: list[dict[str, Any]]) -> list[list[str]]:
    """What was streamed in each attempt; that of an attempt is its worker's, in order."""
    made: list[list[str]] = []
    holder: str | None = None
    for event in history:
        data = event["data"]
        match event["type"]:
            case "started":
                assert holder is None, "two work on it at once"
                made.append([])
                holder = data["worker"]
                assert data["attempt"] == len(made)
            case "content_streamed":
                assert data["content"] == f"{holder} {len(made)} {len(made[-1])}"
                made[-1].append(data["content"])
            case "worker_lost":
                assert data["worker"] == holder
                holder = None
            case _:
                pass
    return made


def assert_whole(site: Site, id_: str, frames: int) -> list[list[str]]:
    """A run that was completed once, by one worker who streamed everything; its attempts."""
    ended, history = site.completed(id_), site.history(id_)
    made = attempts(history)
    assert [event["type"] for event in history].count("completed") == 1
    assert history[-1]["type"] == "completed"
    assert len(made[-1]) == frames
    assert ended["attempt"] == len(made) == ended["output"]["attempt"]
    return made


def test_every_run_completes_once_however_often_workers_are_killed(hasty: Site) -> None:
    """kill -9 in the middle of runs."""
    chance = random.Random(7)
    for _ in range(3):
        hasty.hire("--slots", "2")
    ids = [hasty.ask(frames=50) for _ in range(12)]

    for _ in range(KILLS_OF_WORKERS):
        victim = until(hasty.busy)
        threading.Event().wait(chance.uniform(0, 0.3))
        hasty.kill(victim)
        hasty.hire("--slots", "2")
        ids.append(hasty.ask(frames=50))

    made = [assert_whole(hasty, id_, 50) for id_ in ids]
    assert sum(map(len, made)) > len(ids) + KILLS_OF_WORKERS // 2  # some died between two runs


def test_every_run_completes_whole_however_often_the_server_is_killed(patient: Site) -> None:
    """kill -9 under three workers: what was acknowledged is there, and they go on."""
    chance = random.Random(11)
    for _ in range(3):
        patient.hire("--slots", "3")
    ids: list[str] = []

    for _ in range(KILLS_OF_THE_SERVER):
        ids += [patient.ask(frames=60) for _ in range(3)]
        until(patient.at_work)
        threading.Event().wait(chance.uniform(0, 0.5))
        patient.server.kill()
        patient.server.start()

    for id_ in ids:
        assert_whole(patient, id_, 60)


def test_a_worker_that_slept_through_its_lease_is_refused_and_goes_on(hasty: Site) -> None:
    sleeper = hasty.hire("--slots", "1")
    first = hasty.ask(frames=5, until="go")
    until(hasty.at_work)
    sleeper.send(signal.SIGSTOP)
    other = hasty.hire("--slots", "1")
    until(lambda: other.name in hasty.at_work())

    sleeper.send(signal.SIGCONT)
    second = hasty.ask(frames=5)

    assert hasty.completed(second)["worker"] == sleeper.name
    (hasty.server.folder / "go").touch()
    made = assert_whole(hasty, first, 5)
    assert len(made) == 2
    assert made[1][0].startswith(other.name)


def test_a_worker_that_is_told_to_stop_finishes_what_it_began(patient: Site) -> None:
    worker = patient.hire()
    id_ = patient.ask(frames=50)
    until(patient.at_work)

    assert worker.stop() == 0

    assert patient.shown(id_)["status"] == "completed"
    assert_whole(patient, id_, 50)


def test_a_worker_that_is_told_to_stop_gives_back_what_takes_too_long(patient: Site) -> None:
    worker = patient.hire("--grace", "0.2")
    id_ = patient.ask(frames=1, until="go")
    until(patient.at_work)

    assert worker.stop() == 0

    assert patient.shown(id_)["status"] == "pending"
    lost = patient.history(id_)[-1]
    assert (lost["type"], lost["data"].get("last_heard")) == ("worker_lost", None)
    (patient.server.folder / "go").touch()
    patient.hire()
    assert len(assert_whole(patient, id_, 1)) == 2
