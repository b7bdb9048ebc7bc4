"""Recordings survive a server that is away, and a program that is killed; each is recorded once."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from ledger_client import ConnectionFailed, ContentEvent, Ledger, spill
from ledger_client.models import Execution
from ledger_client.recorder.journal import Entry, Journal
from ledger_client.recorder.room import Room
from ledger_client.recorder.spill_file import SpillFile
from tests.integration.client.conftest import address, settings_in
from tests.integration.client.sockets import answer, free_port, proxy_to, scripted
from tests.live_server import Caller, live_server

PROGRAM = """
import sys
from ledger_client import Ledger

ledger = Ledger(sys.argv[1], spill=sys.argv[2])
with ledger.record(agent="killed", input={"n": 1}) as run:
    for n in range(100):
        run.content(str(n))
    print("said", flush=True)
    sys.stdin.read()
"""


LAST_WORD = '"content\\":\\"99'

AT_ONCE = 5.0
"""Seconds in which a program is through that waits for nothing, on a machine that has to rest."""


def said(ledger: Ledger, run: Execution) -> list[str]:
    events = ledger.executions.stream(run.id)
    return [event.content for event in events if isinstance(event, ContentEvent)]


def runs(ledger: Ledger) -> list[Execution]:
    return list(ledger.executions.iterate())


def wait_for(text: str, folder: Path) -> None:
    """Wait until some file in a folder has a text in it."""
    until = monotonic() + 10
    while not any(text in path.read_text("utf-8") for path in folder.glob("*.ndjson")):
        assert monotonic() < until
        sleep(0.01)


def at(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def record(ledger: Ledger, words: int = 10) -> None:
    with ledger.record(agent="a", input={"n": 1}) as run:
        for n in range(words):
            run.content(str(n))
        run.output = {"words": words}


def kill_while_it_records(program: str, folder: Path, server: str, *texts: str) -> None:
    """Run a program that records for a server that is away, and kill it once texts are written."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, server, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"said\n"
        for text in texts:
            wait_for(text, folder)
        process.send_signal(signal.SIGKILL)


def test_a_server_that_is_away_holds_nobody_up_and_gets_it_later(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "spill"
    began = monotonic()

    with Ledger(at(port), spill=folder) as ledger:
        for _ in range(3):
            record(ledger)
        assert monotonic() - began < AT_ONCE
        assert not ledger.flush(0.3)
        with live_server(settings_in(tmp_path), port=port):
            assert ledger.flush(20)
            found = runs(ledger)
            assert [run.status for run in found] == ["completed"] * 3
            assert [said(ledger, run) for run in found] == [[str(n) for n in range(10)]] * 3
        assert [*folder.iterdir()] == []


def test_a_run_within_another_is_its_child_also_when_the_server_was_away(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "spill"

    with Ledger(at(port), spill=folder) as ledger:
        with (
            ledger.record(agent="top", input={"n": 1}),
            ledger.record(agent="middle"),
            ledger.record(agent="leaf"),
        ):
            pass
        assert not ledger.flush(0.3)
        with live_server(settings_in(tmp_path), port=port):
            assert ledger.flush(20)
            by_name = {run.agent_name: run for run in runs(ledger)}

    assert by_name["leaf"].parent_execution_id == by_name["middle"].id
    assert by_name["middle"].parent_execution_id == by_name["top"].id
    assert {run.root_execution_id for run in by_name.values()} == {by_name["top"].id}


def test_the_child_of_a_killed_program_finds_its_parent(tmp_path: Path) -> None:
    folder = tmp_path / "spill"
    program = PROGRAM.replace(
        "    for n", '    ledger.record(agent="child").__enter__()\n    for n'
    )
    kill_while_it_records(program, folder, at(free_port()), LAST_WORD, '\\"child')

    with (
        live_server(settings_in(tmp_path)) as server,
        Ledger(at(server.port)) as ledger,
    ):
        assert spill.deliver(folder, ledger, any_server=True) == 2
        child, parent = sorted(runs(ledger), key=lambda run: str(run.agent_name))

    assert (child.agent_name, child.parent_execution_id) == ("child", parent.id)


def test_a_later_client_delivers_what_an_earlier_one_could_not(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "spill"
    with Ledger(at(port), spill=folder) as ledger:
        record(ledger)
    assert len([*folder.iterdir()]) == 1

    with live_server(settings_in(tmp_path), port=port), Ledger(at(port), spill=folder) as ledger:
        assert ledger.flush(20)
        (run,) = runs(ledger)

        assert (run.status, run.output) == ("completed", {"words": 10})
        assert said(ledger, run) == [str(n) for n in range(10)]
    assert [*folder.iterdir()] == []


def test_a_program_that_is_killed_loses_nothing_that_was_written(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "spill"
    kill_while_it_records(PROGRAM, folder, at(port), LAST_WORD)

    with live_server(settings_in(tmp_path), port=port), Ledger(at(port), spill=False) as ledger:
        assert spill.deliver(folder, ledger) == 1
        (run,) = runs(ledger)

        assert said(ledger, run) == [str(n) for n in range(100)]
        assert (run.status, run.error_code) == ("failed", "worker_lost")
    assert [*folder.iterdir()] == []


def test_a_recording_that_is_sent_twice_is_recorded_once(server: Caller, tmp_path: Path) -> None:
    folder, again = tmp_path / "spill", tmp_path / "again"
    with Ledger(at(free_port()), spill=folder) as ledger:
        record(ledger)
    shutil.copytree(folder, again)

    with Ledger(address(server), spill=False) as ledger:
        before = ledger.executions.list().meta.total
        for place in (folder, again):
            assert spill.deliver(place, ledger, any_server=True) == 1

        assert ledger.executions.list().meta.total == before + 1


@pytest.mark.parametrize("cut", [0, 60])
def test_an_answer_that_is_lost_repeats_nothing(server: Caller, tmp_path: Path, cut: int) -> None:
    """The request came through, its answer did not; so it is sent again."""
    cuts: list[int | None] = [cut] * 3
    with proxy_to(server.port, cuts) as proxy, Ledger(at(proxy.port), spill=tmp_path) as ledger:
        with ledger.record(agent="a") as run:
            run.content("once")
            run.content("and only once")
        assert run.flush(20)

        assert proxy.connections > 3
        assert run.execution_id is not None
        execution = ledger.executions.get(run.execution_id)
        assert said(ledger, execution) == ["once", "and only once"]
        assert execution.status == "completed"


def test_what_waits_for_another_server_is_left_alone(server: Caller, tmp_path: Path) -> None:
    with Ledger(at(free_port()), spill=tmp_path) as ledger:
        record(ledger)

    with Ledger(address(server), spill=tmp_path) as ledger:
        assert ledger.flush(10)
        assert spill.deliver(tmp_path, ledger) == 0

    assert len([*tmp_path.iterdir()]) == 1


def test_what_a_living_program_works_on_is_left_alone(server: Caller, tmp_path: Path) -> None:
    with Ledger(at(free_port()), spill=tmp_path) as ledger:
        record(ledger)
        assert not ledger.flush(0.2)

        with Ledger(address(server), spill=False) as other:
            assert spill.deliver(tmp_path, other, any_server=True) == 0


def test_delivery_to_a_server_that_is_away_says_so_and_keeps_everything(tmp_path: Path) -> None:
    with Ledger(at(free_port()), spill=tmp_path) as ledger:
        record(ledger)

    with Ledger(at(free_port()), spill=False) as ledger, pytest.raises(ConnectionFailed):
        spill.deliver(tmp_path, ledger, any_server=True)

    assert len([*tmp_path.iterdir()]) == 1


def test_a_run_that_the_server_refuses_is_kept_for_people(tmp_path: Path) -> None:
    refusal = answer("400 Bad Request", b'{"error": {"code": "agent_archived", "message": "no"}}')
    with scripted(refusal) as server, Ledger(at(server.port), spill=tmp_path) as ledger:
        with ledger.record(agent="a") as run:
            assert run.wait_for_id(10) is None
        assert ledger.flush(10)

    (kept,) = tmp_path.iterdir()
    assert kept.suffix == ".refused"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "agent_archived" in kept.read_text("utf-8")


def test_without_a_file_a_server_that_is_away_gets_it_later_too(tmp_path: Path) -> None:
    port = free_port()
    with Ledger(at(port), spill=False) as ledger:
        record(ledger)
        with live_server(settings_in(tmp_path), port=port):
            assert ledger.flush(20)
            (run,) = runs(ledger)
            assert said(ledger, run) == [str(n) for n in range(10)]


def test_a_place_that_cannot_be_written_is_no_reason_to_lose_anything(
    server: Caller, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")

    with Ledger(address(server), spill=tmp_path / "file" / "spill") as ledger:
        with ledger.record(agent="a") as run:
            run.content("here")
        assert run.flush(10)
        assert run.execution_id is not None
        assert ledger.executions.get(run.execution_id).status == "completed"


def entries(*names: str) -> list[Entry]:
    return [Entry(name, "/frames", f'["{name}"]') for name in names]


def read(journal: Journal) -> list[Entry]:
    found = []
    while (entry := journal.peek()) is not None:
        found.append(entry)
        journal.advance()
    return found


def spill_file(folder: Path, name: str = "name") -> SpillFile:
    return SpillFile.create(folder, name, Ledger(at(1), spill=False).options)


def test_a_line_that_was_cut_off_is_none(tmp_path: Path) -> None:
    file = spill_file(tmp_path)
    (one, two) = entries("one", "two")
    file.append(one.line)
    file.append(two.line[:-5])
    file.close()

    adopted = SpillFile.adopt(file.path)

    assert adopted is not None
    assert read(Journal(adopted)) == [one]
    adopted.close()


class FullDisk(SpillFile):
    """A file whose disk takes no more after some bytes of a line."""

    def append(self, line: bytes) -> None:
        super().append(line[:7])
        raise OSError(28, "No space left on device")


def test_a_full_disk_loses_nothing_and_changes_no_order(tmp_path: Path) -> None:
    whole = spill_file(tmp_path)
    one, *rest = entries("one", "two", "three")
    whole.append(one.line)
    whole.close()
    full: Any = FullDisk.adopt(whole.path)
    journal = Journal(full)

    for entry in rest:
        journal.append(entry)

    assert read(journal) == [one, *rest]
    journal.finish()


def test_files_take_no_more_room_than_there_is(tmp_path: Path) -> None:
    room = Room(tmp_path, most_bytes=100)
    first = Journal(spill_file(tmp_path, "a"), room)
    second = Journal(spill_file(tmp_path, "b"), room)
    one, two, three = entries("one", "two", "three")

    first.append(one)
    second.append(two)
    second.append(three)

    assert not room.take(50)
    assert second.peek() == two
    second.advance()
    assert second.peek() == three
    assert second.leave() == 1
    first.finish()
    assert room.take(50)
