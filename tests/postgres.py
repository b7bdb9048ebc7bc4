"""PostgreSQL for tests: one real server for all of them, and a schema for each."""

import atexit
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg.sql import SQL, Identifier

_NUMBERS = count(1)
_ROOT = Path(__file__).parent.parent


class Server:
    """A server of our own, stopped when this process ends, however it ends."""

    def __init__(self, *, durable: bool = False) -> None:
        kind = ["durable"] if durable else []
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.postgres_server", *kind],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the tests; what ends the server is their end
        )
        self.url, self.pid = self._where()

    def crash(self) -> None:
        """Kill it at once, with everything that it was doing."""
        os.kill(self.pid, signal.SIGQUIT)

    def start(self) -> None:
        """Start it again, on the same files."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.write("start\n")
        self._keeper.stdin.flush()
        self.url, self.pid = self._where()

    def stop(self) -> None:
        """Stop it; its files are gone."""
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._keeper.stdin.close()
        self._keeper.wait(60)
        self._keeper.stdout.close()

    def _where(self) -> tuple[str, int]:
        assert self._keeper.stdout is not None
        line = self._keeper.stdout.readline()
        assert line, "the test server did not start; its log is on stderr"
        said = json.loads(line)
        return said["url"], said["pid"]


@cache
def server_url() -> str:
    """The server that the tests share: LEDGER_TEST_POSTGRES, or one that is started now."""
    given = os.environ.get("LEDGER_TEST_POSTGRES")
    if given:
        return given
    server = Server()
    atexit.register(server.stop)
    return server.url


@contextmanager
def fresh_schema(server: str = "") -> Iterator[str]:
    """The URL of an empty schema, gone afterwards."""
    url = server or server_url()
    name = f"test_{os.getpid()}_{next(_NUMBERS)}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(SQL("CREATE SCHEMA {}").format(Identifier(name)))
    try:
        yield f"{url}{'&' if '?' in url else '?'}options={quote(f'-csearch_path={name}')}"
    finally:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(SQL("SET client_min_messages = warning"))
            admin.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(name)))
