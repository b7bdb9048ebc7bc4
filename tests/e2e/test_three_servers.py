"""Three servers on one database: what eight writers record, each follower hears once, in order.

Every writer goes from server to server with each of its batches, so that one run is written
through all of them.
"""

import http.client
import json
import re
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.console import ServerProcess
from tests.postgres import fresh_schema

WRITERS: Final = 8
RUNS: Final = 25
FRAMES: Final = 1_000
AT_ONCE: Final = 100
PATIENCE_SECONDS: Final = 240
RECORDED: Final = WRITERS * RUNS * FRAMES
UNLOCKED: Final = (sys.executable, str(Path(__file__).with_name("unlocked.py")))
_FRAME = re.compile(rb"event: (\w+)\nid: (\d+)\ndata: (.*)\n\n")


class Writer(threading.Thread):
    """Records runs, each batch through the next server; keeps what was refused."""

    def __init__(self, name: str, servers: Sequence[ServerProcess], runs: int, enough: int) -> None:
        super().__init__()
        self.refused: list[tuple[int, Any]] = []
        self.runs: dict[str, list[str]] = {}
        self._name = name
        self._number = runs
        self._enough = enough
        self._turn = 0
        self._connections = [http.client.HTTPConnection("127.0.0.1", s.port) for s in servers]

    def run(self) -> None:
        self._record()
        for connection in self._connections:
            connection.close()

    def _record(self) -> None:
        for run in range(self._number):
            if len(self.refused) >= self._enough:
                return
            created = self._ask("", {"agent": self._name, "input": {}})
            if created is None:
                continue
            id_ = created["id"]
            self._ask(f"/{id_}/start", {})
            texts = [f"{self._name} {run} {number}" for number in range(FRAMES)]
            for start in range(0, FRAMES, AT_ONCE):
                some = texts[start : start + AT_ONCE]
                frames = [{"type": "content", "content": text} for text in some]
                self._ask(f"/{id_}/frames", frames)
            self.runs[id_] = texts

    def _ask(self, path: str, body: Any) -> Any:
        connection = self._connections[self._turn % len(self._connections)]
        self._turn += 1
        connection.request("POST", f"/api/v1/executions{path}", json.dumps(body).encode())
        answer = connection.getresponse()
        said = json.loads(answer.read())
        if answer.status < 300:
            return said["data"]
        self.refused.append((answer.status, said))
        return None


class Follower(threading.Thread):
    """Reads the feed of the whole ledger live; half-way it moves to another server."""

    def __init__(self, first: ServerProcess, then: ServerProcess) -> None:
        super().__init__(daemon=True)
        self.positions: list[int] = []
        self.texts: dict[str, list[str]] = defaultdict(list)
        self._frames = 0
        self._servers = [(first, RECORDED // 2), (then, RECORDED)]

    def run(self) -> None:
        for server, until in self._servers:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            last = self.positions[-1] if self.positions else 0
            headers = {"Accept": "text/event-stream", "Last-Event-ID": str(last)}
            connection.request("GET", "/api/v1/events", headers=headers)
            with connection.getresponse() as answer:
                self._read(answer, until)
            connection.close()

    def _read(self, answer: http.client.HTTPResponse, until: int) -> None:
        text = b""
        while self._frames < until:
            read = answer.read1(1 << 18)
            assert read, "the feed ended"
            text += read
            end = 0
            for frame in _FRAME.finditer(text):
                end = frame.end()
                self._take(*frame.groups())
            text = text[end:]

    def _take(self, type_: bytes, position: bytes, data: bytes) -> None:
        self.positions.append(int(position))
        if type_ == b"content_streamed":
            event = json.loads(data)
            self.texts[event["aggregate_id"]].append(event["data"]["content"])
            self._frames += 1


@contextmanager
def three_servers(folder: Path, *command: str) -> Iterator[list[ServerProcess]]:
    with fresh_schema() as url:
        folders = [folder / str(number) for number in range(3)]
        for each in folders:
            each.mkdir()
        servers = [
            ServerProcess(each, "--no-worker", url=url, command=command, log_level="warning")
            for each in folders
        ]
        with ExitStack() as started:
            for server in servers:
                server.start()
                started.callback(server.stop)
            yield servers


def write(servers: Sequence[ServerProcess], runs: int, enough: int = 1) -> list[Writer]:
    """Let eight writers record so many runs each, or until so much was refused."""
    writers = [Writer(f"writer-{n}", servers, runs, enough) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    return writers


@pytest.mark.timeout(3 * PATIENCE_SECONDS)  # two hundred thousand events
def test_what_eight_writers_record_through_three_servers_is_heard_once_and_in_order(
    tmp_path: Path,
) -> None:
    with three_servers(tmp_path) as servers:
        followers = [Follower(servers[1], servers[2]), Follower(servers[2], servers[0])]
        for follower in followers:
            follower.start()

        writers = write(servers, RUNS)
        for follower in followers:
            follower.join(PATIENCE_SECONDS)

        written = {id_: texts for writer in writers for id_, texts in writer.runs.items()}
        assert [writer.refused for writer in writers] == [[]] * WRITERS
        assert len(written) == WRITERS * RUNS
        for follower in followers:
            assert follower.texts == written
            assert follower.positions == list(range(1, len(follower.positions) + 1))


def test_without_the_lock_writers_get_in_each_others_way(tmp_path: Path) -> None:
    """The control: else the test above would prove nothing."""
    with three_servers(tmp_path, *UNLOCKED) as servers:
        writers = write(servers, RUNS)

    assert any(writer.refused for writer in writers)
