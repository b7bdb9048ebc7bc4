"""The installed server on PostgreSQL: the same commands, and crashes of either side."""

import itertools
import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e.console import ServerProcess
from tests.e2e.test_cli import Cli, run, served
from tests.e2e.test_crash import Writer, recorded
from tests.postgres import Server, fresh_schema
from tests.stores import execute_in

KILLS = 4
CRASHES = 10


@pytest.fixture
def url() -> Iterator[str]:
    with fresh_schema() as url:
        yield url


@pytest.fixture
def database() -> Iterator[Server]:
    """A server of PostgreSQL that the test may crash."""
    server = Server()
    yield server
    server.stop()


def test_views_are_checked_broken_found_and_rebuilt(url: str) -> None:
    with served("--database", url, "--agents", "server.demo:agents") as address:
        execution = Cli(address).execute("order-support", question="Where is order 10079?")
        beside = run("check", "--database", url)
    whole = run("check", "--database", url)
    execute_in(url, "UPDATE executions_v1 SET total_tokens = 7")
    broken = run("check", "--database", url, "--json")
    rebuilt = run("rebuild", "--database", url)
    again = run("check", "--database", url, "--json")

    assert (beside.returncode, "agree" in beside.stdout) == (0, True), beside
    assert (whole.returncode, "agree" in whole.stdout) == (0, True), whole
    assert broken.returncode == 1, broken
    assert execution["id"] in json.loads(broken.stdout)["data"]["problems"][0]
    assert rebuilt.returncode == 0, rebuilt
    assert json.loads(again.stdout)["data"] == {"consistent": True, "problems": []}


def test_the_demo_runs_on_it(url: str) -> None:
    done = run("demo", "--once", "--port", "0", "--database", url)

    assert done.returncode == 0, done
    assert "Replay of" in done.stdout


def test_a_ledger_moves_to_it_and_is_served_there(tmp_path: Path, url: str) -> None:
    file = f"sqlite:///{tmp_path / 'ledger.db'}"
    with served("--database", file, "--agents", "server.demo:agents") as address:
        execution = Cli(address).execute("order-support", question="Where is order 10079?")
        in_use = run("migrate", file, url)
    missing = run("migrate", f"sqlite:///{tmp_path / 'no.db'}", url)
    same = run("migrate", file, file)
    moved = run("migrate", file, url, "--json")
    checked = run("check", "--database", url)

    assert (in_use.returncode, "in use" in in_use.stderr) == (1, True), in_use
    assert (missing.returncode, "no ledger" in missing.stderr) == (1, True), missing
    assert (same.returncode, "the same" in same.stderr) == (2, True), same
    assert moved.returncode == 0, moved
    assert checked.returncode == 0, checked
    with served("--database", url, "--no-worker") as address:
        shown = Cli(address)("executions", "show", execution["id"], "--json")
        assert json.loads(shown)["data"]["output"] == execution["output"]


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["check"], ["rebuild"]])
def test_a_database_that_does_not_answer_is_said_in_one_line(command: list[str]) -> None:
    done = run(*command, "--database", "postgresql://me:secret@127.0.0.1:1/ledger")

    assert done.returncode == 1
    assert "cannot open postgresql://127.0.0.1:1/ledger" in done.stderr.splitlines()[-1]
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_ledger_that_is_not_there_is_not_made_by_a_check(url: str) -> None:
    done = run("check", "--database", url)

    assert done.returncode == 1
    assert "there is no ledger" in done.stderr


def begun(server: ServerProcess) -> str:
    """A run that somebody records."""
    created = server.call("POST", "/api/v1/executions", {"agent": "crash", "input": {}})
    id_: str = created[1]["data"]["id"]
    assert server.call("POST", f"/api/v1/executions/{id_}/start", {})[0] == 200
    return id_


def assert_kept(server: ServerProcess, id_: str, acknowledged: dict[int, str]) -> None:
    """Every acknowledged frame stands where it was promised, and nothing is missing before it."""
    events = recorded(server, id_)
    assert list(events) == list(range(1, len(events) + 1))
    assert {at: events[at]["data"]["content"] for at in acknowledged} == acknowledged
    assert server.call("GET", f"/api/v1/executions/{id_}")[1]["data"]["version"] == len(events)


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(tmp_path: Path, url: str) -> None:
    chance, numbers = random.Random(7), itertools.count()
    server = ServerProcess(tmp_path, "--no-worker", url=url, log_level="warning")
    server.start()
    id_ = begun(server)
    acknowledged: dict[int, str] = {}

    for _ in range(KILLS):
        writers = [Writer(server, id_, numbers) for _ in range(3)]
        for writer in writers:
            writer.start()
        threading.Event().wait(chance.uniform(0.05, 0.2))
        server.kill()
        for writer in writers:
            writer.join(30)
            acknowledged |= writer.acknowledged
        server.start()

    assert acknowledged
    assert_kept(server, id_, acknowledged)
    assert server.stop() == 0


def test_nothing_acknowledged_is_lost_when_the_database_crashes_ten_times_and_servers_go_on(
    tmp_path: Path, database: Server
) -> None:
    """Two servers, and two runs that are written through both."""
    chance, numbers = random.Random(7), itertools.count()
    with fresh_schema(database.url) as url:
        servers = [server_in(tmp_path / str(number), url) for number in range(2)]
        ids = [begun(servers[0]) for _ in range(2)]
        acknowledged: dict[str, dict[int, str]] = {id_: {} for id_ in ids}

        for _ in range(CRASHES):
            writers = [(id_, Writer(each, id_, numbers)) for each in servers for id_ in ids]
            crash_under([writer for _, writer in writers], database, chance)
            for id_, writer in writers:
                acknowledged[id_] |= writer.acknowledged

        for server in servers:
            assert server.stop() == 0
        servers[1].start()
        for id_ in ids:
            assert_kept(servers[1], id_, acknowledged[id_])
        servers[1].stop()


def crash_under(writers: Sequence[Writer], database: Server, chance: random.Random) -> None:
    """Crash the database while they write, and let each of them write on."""
    for writer in writers:
        writer.start()
    wait_until(lambda: all(writer.acknowledged for writer in writers))
    threading.Event().wait(chance.uniform(0, 0.1))

    database.crash()
    threading.Event().wait(0.1)
    database.start()

    before = [len(writer.acknowledged) for writer in writers]
    wait_until(lambda: all(len(w.acknowledged) > n for w, n in zip(writers, before, strict=True)))
    for writer in writers:
        writer.enough.set()
        writer.join(30)


def server_in(folder: Path, url: str) -> ServerProcess:
    """A server that runs."""
    folder.mkdir()
    server = ServerProcess(folder, "--no-worker", url=url, log_level="warning")
    server.start()
    return server


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for something to hold; the test's own timeout ends it."""
    while not holds():
        threading.Event().wait(0.01)
