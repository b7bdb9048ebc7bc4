"""The installed console script as a process of its own, on a real socket."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.quick_settings import PATIENCE

SCRIPT = Path(sys.executable).with_name("execution-ledger")
_PATIENCE_SECONDS = 30


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_ours(name: str) -> bool:
    """Whether a variable of this process must not reach the server's: settings, and what would
    make each start slow: compiling every module again, measuring a process that is killed."""
    return name.startswith(("LEDGER_", "COVERAGE_")) or name == "PYTHONDONTWRITEBYTECODE"


def _environment(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not _is_ours(name)} | more


class WorkerProcess:
    """`execution-ledger worker` for the agents of a module in a folder. It never waits to be there:
    what is asked for meanwhile waits for it."""

    def __init__(self, folder: Path, server: str, agents: str, name: str, *arguments: str) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        command = [str(SCRIPT), "worker", agents, "--server", server, "--name", name, *arguments]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=_environment(WORKER=name), cwd=folder
            )

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9: no chance to finish anything. Also one that has ended already."""
        self._process.kill()
        self._process.wait(_PATIENCE_SECONDS)

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        self._process.terminate()
        return self._process.wait(_PATIENCE_SECONDS)


class ServerProcess:
    """`execution-ledger serve` on one database; it may be killed and started again."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        url: str = "",
        command: Sequence[str] = (),
        **settings: str,
    ) -> None:
        """`command` is what is started; by itself the installed script."""
        self.folder = folder
        self.port = free_port()
        self.database = folder / "ledger.db"
        self._database_url = url or f"sqlite:///{self.database}"
        self._command = command or (str(SCRIPT),)
        self._arguments: Sequence[str] = arguments
        patient = {"read_your_writes_seconds": str(PATIENCE)}
        self._environment = _environment(
            **{f"LEDGER_{name.upper()}": value for name, value in (patient | settings).items()}
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder / "server.log"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.begin()
        self.wait_until_ready()

    def begin(self) -> None:
        """Start it."""
        command = [
            *self._command,
            "serve",
            "--port",
            str(self.port),
            "--database",
            self._database_url,
            *self._arguments,
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=self._environment, cwd=self.folder
            )

    def kill(self) -> None:
        """kill -9: no chance to finish anything."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(_PATIENCE_SECONDS)

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(_PATIENCE_SECONDS)

    def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """One request and its decoded answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            text = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            connection.request(method, path, text, headers or {})
            answer = connection.getresponse()
            said = answer.read()
            is_json = "json" in (answer.headers["Content-Type"] or "")
            return answer.status, json.loads(said) if is_json and said else said
        finally:
            connection.close()

    def wait_until_ready(self) -> None:
        """Wait until it answers that its views are complete."""
        assert self._process is not None
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if self.call("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                time.sleep(0.02)
        raise AssertionError(self.log.read_text())
