"""Three installed servers on one PostgreSQL database, behind a load balancer, killed at random."""

import http.client
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.balancer import balanced
from tests.e2e.console import ServerProcess, WorkerProcess
from tests.e2e.test_remote_worker import AGENTS, attempts, until
from tests.postgres import fresh_schema

KILLS = 20
SERVERS = 3
RECORDERS = 3
FRAMES = 30
_LOST = (OSError, ValueError, http.client.HTTPException)
"""What somebody meets whose server is killed."""


class Site:
    """Servers of one ledger, a door that leads to whichever is there, and workers at that door."""

    def __init__(self, folder: Path, stack: ExitStack, **settings: str) -> None:
        url = stack.enter_context(fresh_schema())
        quick = {"log_level": "warning", "most_attempts": "100", **settings}
        self.folder = folder
        (folder / "counters.py").write_text(AGENTS)
        self.servers = [self._server(n, url, quick) for n in range(SERVERS)]
        for server in self.servers:
            stack.callback(server.kill)
            server.begin()
        for server in self.servers:
            server.wait_until_ready()
        self.door = ServerProcess(folder, url=url)
        self.door.port = stack.enter_context(balanced([server.port for server in self.servers]))
        self._stack = stack

    def _server(self, number: int, url: str, settings: dict[str, str]) -> ServerProcess:
        folder = self.folder / f"server-{number}"
        folder.mkdir()
        return ServerProcess(folder, "--no-worker", url=url, **settings)

    def hire(self, name: str) -> WorkerProcess:
        worker = WorkerProcess(self.folder, self.door.url, "counters:agents", name, "--slots", "3")
        self._stack.callback(worker.kill)
        return worker

    def ask(self, method: str, path: str, body: Any = None, key: str = "") -> Any:
        """Ask until there is an answer; with a key, so that it counts once."""

        def look() -> Any:
            try:
                headers = {"Idempotency-Key": key} if key else {}
                status, answer = self.door.call(method, f"/api/v1{path}", body, headers)
            except _LOST:
                return None
            return answer if status in (200, 201) else None

        return until(look)["data"]

    def start(self, **input_: Any) -> str:
        """Ask for a run of the workers' agent."""
        (agent,) = until(lambda: self.ask("GET", "/agents?name=counter"))
        path = f"/agents/{agent['id']}/execute"
        key = f"run {next(_NUMBERS)}"
        shown = self.ask("POST", path, {"input": input_, "async_mode": True}, key)
        id_: str = shown["id"]
        return id_

    def begin_recording(self) -> str:
        key = f"recording {next(_NUMBERS)}"
        created = self.ask("POST", "/executions", {"agent": "crash", "input": {}}, key)
        id_: str = created["id"]
        self.ask("POST", f"/executions/{id_}/start", {}, f"{key} starts")
        return id_

    def history(self, id_: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        while True:
            path = f"/executions/{id_}/events?limit=1000&after={len(events)}"
            page = self.ask("GET", path)
            if not page:
                return events
            events += page

    def status(self, id_: str) -> str:
        return str(self.ask("GET", f"/executions/{id_}")["status"])

    def is_ready(self, server: ServerProcess) -> bool:
        try:
            return server.call("GET", "/readyz")[0] == 200
        except _LOST:
            return False


_NUMBERS = itertools.count()


class Recorder(threading.Thread):
    """Records frames as fast as it goes, at whichever server is there; keeps what it was told."""

    def __init__(self, site: Site, stopping: threading.Event) -> None:
        super().__init__()
        self.id = site.begin_recording()
        self.acknowledged: dict[int, str] = {}
        self._site = site
        self._stopping = stopping

    def run(self) -> None:
        while not self._stopping.is_set():
            text = f"{self.id} {next(_NUMBERS)}"
            frames = [{"type": "content", "content": text}] * 3
            try:
                path = f"/api/v1/executions/{self.id}/frames"
                status, answer = self._site.door.call("POST", path, frames)
            except _LOST:
                continue  # it may have been recorded, and nobody knows
            if status == 200:
                last = answer["data"]["version"]
                self.acknowledged |= dict.fromkeys((last - 2, last - 1, last), text)
        self._site.ask("POST", f"/executions/{self.id}/complete", {"output": {}}, self.id)


class Follower(threading.Thread):
    """Reads a run to its end, and goes on where it was however often its server is killed."""

    def __init__(self, site: Site, id_: str) -> None:
        super().__init__()
        self.frames: list[bytes] = []
        self._site = site
        self._path = f"/api/v1/executions/{id_}/stream"

    def run(self) -> None:
        while not self._has_ended:
            connection = http.client.HTTPConnection("127.0.0.1", self._site.door.port, timeout=30)
            try:
                headers = {"Last-Event-ID": self._last} if self.frames else {}
                connection.request("GET", f"{self._path}?replay=true", headers=headers)
                answer = connection.getresponse()
                if answer.status == 200:
                    self._read(answer)
            except _LOST:
                pass
            finally:
                connection.close()

    @property
    def _has_ended(self) -> bool:
        return bool(self.frames) and self.frames[-1].startswith(b"event: done")

    @property
    def _last(self) -> str:
        return self.frames[-1].partition(b"\nid: ")[2].partition(b"\n")[0].decode()

    def _read(self, answer: http.client.HTTPResponse) -> None:
        lines: list[bytes] = []
        while line := answer.readline():
            lines.append(line)
            if line == b"\n":
                frame, lines = b"".join(lines), []
                if frame.startswith(b"event: "):
                    self.frames.append(frame)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def kill_at_random(site: Site, chance: random.Random, also: Callable[[], Any]) -> None:
    """kill -9 one of the servers that are ready, and start it again; so often."""
    for number in range(KILLS):
        ready = until(lambda: [each for each in site.servers if site.is_ready(each)])
        threading.Event().wait(chance.uniform(0, 0.3))
        victim = chance.choice(ready)
        victim.kill()
        victim.begin()
        if number % 2:
            also()


def assert_kept(events: Sequence[dict[str, Any]], acknowledged: dict[int, str]) -> None:
    """Every acknowledged frame stands where it was promised, and nothing is missing before it."""
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    said = {at: events[at - 1]["data"]["content"] for at in acknowledged}
    assert said == acknowledged


def test_nothing_is_lost_when_servers_are_killed_twenty_times(
    tmp_path: Path, stack: ExitStack
) -> None:
    """Recordings, their readers, and workers go on at the servers that are left."""
    site = Site(tmp_path, stack, lease_seconds="2")
    stopping = threading.Event()
    for number in range(2):
        site.hire(f"worker-{number}")
    recorders = [Recorder(site, stopping) for _ in range(RECORDERS)]
    followers = [Follower(site, recorder.id) for recorder in recorders]
    for thread in (*recorders, *followers):
        thread.start()
    runs: list[str] = []

    kill_at_random(site, random.Random(7), lambda: runs.append(site.start(frames=FRAMES)))
    stopping.set()

    for thread in (*recorders, *followers):
        thread.join(60)
    for recorder, follower in zip(recorders, followers, strict=True):
        assert len(recorder.acknowledged) > 3 * KILLS
        assert_kept(site.history(recorder.id), recorder.acknowledged)
        assert follower.frames == replayed(site, recorder.id)
    until(lambda: {site.status(id_) for id_ in runs} == {"completed"})
    for id_ in runs:
        history = site.history(id_)
        assert len(attempts(history)[-1]) == FRAMES
        assert [event["type"] for event in history].count("completed") == 1


def replayed(site: Site, id_: str) -> list[bytes]:
    """The frames of a run that is over."""
    follower = Follower(site, id_)
    follower.run()
    return follower.frames


def test_a_worker_whose_server_is_killed_goes_on_at_another(
    tmp_path: Path, stack: ExitStack
) -> None:
    site = Site(tmp_path, stack, lease_seconds="30")
    site.hire("worker-1")
    ids = [site.start(frames=30, until="go") for _ in range(3)]
    until(lambda: {site.status(id_) for id_ in ids} == {"running"})

    for server in site.servers[:2]:
        server.kill()
    began = time.monotonic()
    (tmp_path / "go").touch()

    until(lambda: {site.status(id_) for id_ in ids} == {"completed"})
    assert time.monotonic() - began < 25, "it took as long as a lease"
    for id_ in ids:
        assert len(attempts(site.history(id_))) == 1
