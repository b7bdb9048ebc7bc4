import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.application import Ledger
from ledger.commands import Annotate, Complete, Start
from ledger.errors import DatabaseInUse, LedgerClosed, StoreFailed
from tests.given import NOON
from tests.recording import SECONDS, HandClock, Recording, created, recording

ROOT = Path(__file__).parents[2]


@pytest.fixture(name="open_")
def open_fixture(tmp_path: Path) -> Iterator[Recording]:
    with recording(tmp_path) as open_:
        yield open_


# Opening and closing


def test_closing_records_everything_that_was_handed_over(tmp_path: Path) -> None:
    with recording(tmp_path) as open_:
        id_ = open_.running()
        with open_.writer_held():
            replies = [open_.hand_over(Annotate(id_, {"n": str(n)})) for n in range(1_000)]
            closing = threading.Thread(target=open_.ledger.close)
            closing.start()
        closing.join(SECONDS)

    assert [reply.result(0).version for reply in replies] == list(range(3, 1_003))
    with recording(tmp_path) as again:
        assert again.ledger.last_version(id_) == 1_002


def test_a_closed_ledger_takes_nothing_and_shows_nothing(open_: Recording) -> None:
    open_.ledger.close()

    with pytest.raises(LedgerClosed):
        open_.do(created())
    with pytest.raises(LedgerClosed):
        open_.log()


def test_closing_twice_is_the_same_as_once(open_: Recording) -> None:
    open_.ledger.close()

    open_.ledger.close()


def test_what_was_recorded_is_there_after_opening_again(tmp_path: Path) -> None:
    with recording(tmp_path) as open_:
        id_ = open_.running()
        before = open_.log()

    with recording(tmp_path) as again:
        assert again.log() == before
        assert again.ledger.position == before[-1].position
        assert again.do(Complete(id_, {})).version == 3


def test_a_second_process_is_told_who_has_the_file(open_: Recording) -> None:
    script = (
        "import sys, pathlib; from ledger.application import Ledger; "
        "Ledger(pathlib.Path(sys.argv[1]))"
    )

    second = subprocess.run(
        [sys.executable, "-c", script, open_.file],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert second.returncode == 1
    assert f"DatabaseInUse: ledger.db is in use by process {os.getpid()}" in second.stderr


def test_a_file_is_opened_once_in_a_process_too(open_: Recording) -> None:
    with pytest.raises(DatabaseInUse) as refusal:
        Ledger(open_.file)

    assert refusal.value.details == {"pid": str(os.getpid())}


def test_a_ledger_that_could_not_be_opened_does_not_keep_the_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"not a database" * 1_000)
    with pytest.raises(StoreFailed, match="file is not a database"):
        Ledger(path)

    path.unlink()

    with Ledger(path) as ledger:
        assert ledger.position == 0


# Time


def test_recorded_time_never_goes_backwards(tmp_path: Path) -> None:
    clock = HandClock()
    with recording(tmp_path, clock=clock) as open_:
        id_ = open_.pending()
        for seconds in (10, -3600, 3600, 5):
            clock.advance(seconds)
            open_.do(Annotate(id_, {}))

        times = [event.at[14:19] for event in open_.ledger.read_execution(id_)]

    assert times == ["00:00", "00:10", "00:10", "00:10", "00:15"]


def test_time_goes_on_where_an_earlier_process_left_it(tmp_path: Path) -> None:
    with recording(tmp_path, clock=HandClock(NOON)) as open_:
        id_ = open_.pending()

    with recording(tmp_path, clock=HandClock(NOON - timedelta(days=1))) as again:
        receipt = again.do(Start(id_, "worker-1"))

    assert receipt.events[-1].at == "2026-01-31T12:00:00.000000Z"
