"""Servers as processes of their own, and what the system says about their memory."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Literal

from tests.bench.client import HOST, BadAnswer

Kind = Literal["ledger", "unstored", "memory"]
"""Of a server; `serve.py` says what each is."""

POSTGRES = "BENCH_POSTGRES"
"""The variable that tells servers of the kind `ledger` which PostgreSQL to use, if any."""


class Server:
    """A server that runs."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self._process = process
        self.port = port

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request on a connection of its own; the answer's JSON. Raises BadAnswer."""
        connection = HTTPConnection(HOST, self.port, timeout=120)
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        if answer.status >= 300:
            message = f"{method} {path}: {answer.status} {said[:2000].decode()}"
            raise BadAnswer(message)
        return json.loads(said) if answer.headers.get_content_type().endswith("json") else said

    def settle(self) -> None:
        """Wait until nothing is left to do: the views contain everything that was recorded."""
        while any(view["lag_events"] for view in self.call("GET", "/readyz")["projections"]):
            time.sleep(0.05)

    def meters(self) -> dict[str, float]:
        """What /metrics counts, by name with labels."""
        text: str = self.call("GET", "/metrics").decode()
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def resident_kib(self) -> int:
        """Memory in use."""
        return _kib(Path(f"/proc/{self._process.pid}/smaps_rollup"), "Rss")

    def forget_peak(self) -> None:
        """Let the peak be what is in use now."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5", "ascii")

    def peak_kib(self) -> int:
        """The most memory in use since the peak was forgotten."""
        return _kib(Path(f"/proc/{self._process.pid}/status"), "VmHWM")


def _kib(file: Path, name: str) -> int:
    match = re.search(rf"^{name}:\s+(\d+) kB$", file.read_text("ascii"), re.MULTILINE)
    assert match is not None
    return int(match[1])


@contextmanager
def serving(kind: Kind, file: Path, url: str = "") -> Iterator[Server]:
    """A server of a kind (see `serve.py`) on a file, until the end of the block.

    The ledger is at the URL if one is given, whatever else was chosen for all.
    """
    command = [sys.executable, "-m", "tests.bench.serve", kind, str(file), url]
    with (
        file.with_name("server.log").open("w+") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            url = process.stdout.readline()
            if not url:
                log.seek(0)
                message = f"the server did not start:\n{log.read()}"
                raise BadAnswer(message)
            yield Server(process, int(url.rpartition(":")[2]))
        finally:
            process.terminate()
