"""Several processes over one database of views: whoever is lost or stands, the views go on."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic, sleep

from sqlalchemy import func, select, text

from projections.leases import Terms, leadership, leases
from projections.store import ViewStore
from tests.postgres import fresh_schema
from tests.strategies import History, started
from tests.tallies import Tally
from tests.view_server import FileLog

SHORT, FOREVER = 1.5, 10_000.0
PATIENCE_SECONDS = 60


class Servers:
    """The processes by what they call themselves, and what they work on."""

    def __init__(self, url: str, folder: Path, lease_seconds: float) -> None:
        self.views = ViewStore.open(url)
        self.log = FileLog(folder / "log")
        self.history = History()
        self._url = url
        self._lease_seconds = lease_seconds
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "log").touch()
        leadership(self.views, [Tally()], Terms("nobody"))  # makes the table that we look at
        self._path = str(folder / "log")

    def start(self, name: str) -> None:
        arguments = [self._url, self._path, name, str(self._lease_seconds)]
        self._processes[name] = subprocess.Popen(
            [sys.executable, "-m", "tests.view_server", *arguments], stdin=subprocess.PIPE
        )

    def kill(self, name: str) -> None:
        process = self._processes.pop(name)
        process.kill()
        process.communicate()

    def send(self, name: str, number: signal.Signals) -> None:
        os.kill(self._processes[name].pid, number)

    def end(self) -> None:
        for name in list(self._processes):
            self.kill(name)
        self.views.close()

    def record(self) -> None:
        """Ten events that nobody has seen."""
        before = len(self.history.log)
        for _ in range(5):
            started(self.history, self.history.create())
        self.log.append(self.history.log[before:])

    @property
    def leader(self) -> str:
        with self.views.engine.connect() as connection:
            in_force = leases.c.until > text("now()"), leases.c.session.is_not(None)
            return connection.scalar(select(leases.c.holder).where(*in_force)) or ""

    def is_led_by_another_than(self, leader: str) -> bool:
        return self.leader not in {"", leader}

    @property
    def folded(self) -> int:
        with self.views.reading() as connection:
            return connection.scalar(select(func.sum(Tally.table.c.events))) or 0

    @property
    def is_up_to_date(self) -> bool:
        return self.folded == len(self.history.log)


@contextmanager
def three_servers(folder: Path, lease_seconds: float) -> Iterator[Servers]:
    with fresh_schema() as url:
        servers = Servers(url, folder, lease_seconds)
        for name in ("one", "two", "three"):
            servers.start(name)
        try:
            until(lambda: servers.leader != "")
            yield servers
        finally:
            servers.end()


def until(condition: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    end = monotonic() + PATIENCE_SECONDS
    while not condition():
        assert monotonic() < end
        sleep(0.02)


@contextmanager
def recording(servers: Servers) -> Iterator[None]:
    """Something is recorded before and after, and is in the views in the end."""
    servers.record()
    yield
    servers.record()
    until(lambda: servers.is_up_to_date)


def test_another_server_goes_on_when_the_one_that_folds_is_killed(tmp_path: Path) -> None:
    """At once, however long its lease is: its session with the database has ended."""
    with three_servers(tmp_path, FOREVER) as servers:
        for _ in range(6):
            leader = servers.leader
            with recording(servers):
                servers.kill(leader)
                until(partial(servers.is_led_by_another_than, leader))
            servers.start(leader)

        assert servers.folded == len(servers.history.log)


def test_a_server_that_stood_beyond_its_lease_folds_nothing_twice_when_it_goes_on(
    tmp_path: Path,
) -> None:
    with three_servers(tmp_path, SHORT) as servers:
        for _ in range(4):
            leader = servers.leader
            with recording(servers):
                servers.send(leader, signal.SIGSTOP)
                until(partial(servers.is_led_by_another_than, leader))
                servers.send(leader, signal.SIGCONT)

        assert servers.folded == len(servers.history.log)
