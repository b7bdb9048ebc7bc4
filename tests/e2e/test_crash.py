"""A crash at any point loses nothing that was acknowledged."""

import itertools
import random
import threading
from pathlib import Path
from typing import Any

from tests.e2e.console import ServerProcess

KILLS = 20
WRITERS = 4


class Writer(threading.Thread):
    """Records numbered frames on a run of its own, and keeps what was acknowledged."""

    def __init__(self, server: ServerProcess, execution_id: str, numbers: "itertools.count[int]"):
        super().__init__()
        self.acknowledged: dict[int, str] = {}
        self.enough = threading.Event()
        self._server = server
        self._execution_id = execution_id
        self._numbers = numbers

    def run(self) -> None:
        path = f"/api/v1/executions/{self._execution_id}/frames"
        try:
            while not self.enough.is_set():
                text = f"{self._execution_id} {next(self._numbers)}"
                frames = [{"type": "content", "content": text}] * 3
                status, answer = self._server.call("POST", path, frames)
                if status != 200:
                    return
                last = answer["data"]["version"]
                self.acknowledged |= dict.fromkeys((last - 2, last - 1, last), text)
        except (OSError, ValueError):  # the server was killed: nothing came back for this one
            return


def recorded(server: ServerProcess, execution_id: str) -> dict[int, Any]:
    """Every event of a run, by its sequence, read as an auditor would."""
    events: dict[int, Any] = {}
    path = f"/api/v1/executions/{execution_id}/events?limit=1000&after="
    while True:
        status, page = server.call("GET", f"{path}{max(events, default=0)}")
        assert status == 200
        events |= {event["sequence"]: event for event in page["data"]}
        if not page["meta"]["has_more"]:
            return events


def test_nothing_acknowledged_is_lost_when_the_server_is_killed_twenty_times(
    tmp_path: Path,
) -> None:
    """kill -9 in the middle of appends: each acknowledged frame stands where it was promised."""
    chance = random.Random(7)
    server = ServerProcess(tmp_path, "--no-worker", log_level="warning")
    server.start()
    ids = []
    for _ in range(WRITERS):
        created = server.call("POST", "/api/v1/executions", {"agent": "crash", "input": {}})
        ids.append(created[1]["data"]["id"])
        assert server.call("POST", f"/api/v1/executions/{ids[-1]}/start", {})[0] == 200
    acknowledged: dict[str, dict[int, str]] = {id_: {} for id_ in ids}
    numbers = itertools.count()

    for _ in range(KILLS):
        writers = {id_: Writer(server, id_, numbers) for id_ in ids}
        for writer in writers.values():
            writer.start()
        threading.Event().wait(chance.uniform(0.01, 0.15))
        server.kill()
        for id_, writer in writers.items():
            writer.join(30)
            acknowledged[id_] |= writer.acknowledged
        server.start()

    for id_ in ids:
        events = recorded(server, id_)
        assert list(events) == list(range(1, len(events) + 1))
        said = {sequence: events[sequence]["data"]["content"] for sequence in acknowledged[id_]}
        assert said == acknowledged[id_]
        shown = server.call("GET", f"/api/v1/executions/{id_}")[1]["data"]
        assert shown["version"] == len(events)
    assert sum(map(len, acknowledged.values())) > KILLS
    assert server.stop() == 0


def test_a_server_told_to_stop_records_what_it_took_and_ends_its_streams(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--no-worker", log_level="warning")
    server.start()
    body = {"agent": "stop", "input": {}}
    id_ = server.call("POST", "/api/v1/executions", body)[1]["data"]["id"]
    server.call("POST", f"/api/v1/executions/{id_}/start", {})
    streams: list[Any] = []
    reader = threading.Thread(
        target=lambda: streams.append(server.call("GET", f"/api/v1/executions/{id_}/stream"))
    )
    reader.start()
    writer = Writer(server, id_, itertools.count())
    writer.start()
    while not writer.acknowledged:
        threading.Event().wait(0.01)

    status = server.stop()

    assert status == 0
    reader.join(30)
    writer.join(30)
    assert streams[0][0] == 200
    server.start()
    assert set(writer.acknowledged) <= set(recorded(server, id_))
    server.stop()
