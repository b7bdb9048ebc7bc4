import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.application import Ledger
from ledger.commands import Annotate, Append, Complete, Start
from ledger.commands.command import Decision
from ledger.errors import (
    DatabaseInUse,
    IllegalTransition,
    LedgerClosed,
    NotFound,
    QueueFull,
    StoreFailed,
    VersionMismatch,
)
from ledger.events import Thought
from ledger.mapper import Recorded
from ledger.unit import Unit
from ledger.writer import MOST_BYTES_WAITING, MOST_COMMANDS, MOST_WAITING, Answer
from tests.given import NOON, frame
from tests.recording import SECONDS, HandClock, Recording, created, recording, topics

ROOT = Path(__file__).parents[2]


@pytest.fixture(name="open_")
def open_fixture(tmp_path: Path) -> Iterator[Recording]:
    with recording(tmp_path) as open_:
        yield open_


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """No file of this process may grow beyond what the ledger's largest has now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max(each.stat().st_size for each in path.parent.glob(path.name + "*"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# Group commit


def test_what_waits_during_a_commit_is_one_commit(open_: Recording) -> None:
    with open_.writer_held():
        open_.batches.clear()
        replies = [open_.hand_over(created()) for _ in range(100)]

    receipts = [reply.result(SECONDS) for reply in replies]

    assert len({receipt.id for receipt in receipts}) == 100
    assert [batch.commands for batch in open_.batches[1:]] == [100]
    assert {event.id for event in open_.log()} >= {receipt.id for receipt in receipts}


def test_many_writers_at_once_share_commits_and_are_all_answered(open_: Recording) -> None:
    with ThreadPoolExecutor(16) as threads:
        receipts = list(threads.map(lambda _: open_.do(created()), range(400)))

    assert len({receipt.id for receipt in receipts}) == 400
    assert len(open_.batches) < 400
    assert [event.position for event in open_.log()] == list(range(1, len(open_.log()) + 1))


def test_a_batch_holds_no_more_commands_than_its_bound(open_: Recording) -> None:
    id_ = open_.running()
    with open_.writer_held():
        open_.batches.clear()
        replies = [open_.hand_over(Annotate(id_, {})) for _ in range(MOST_COMMANDS + 1)]

    [reply.result(SECONDS) for reply in replies]

    assert [batch.commands for batch in open_.batches[1:]] == [MOST_COMMANDS, 1]


def test_commands_of_one_batch_see_each_other(open_: Recording) -> None:
    id_ = open_.pending()
    with open_.writer_held():
        started = open_.hand_over(Start(id_, "worker-1"))
        appended = open_.hand_over(Append(id_, [frame(Thought, content="hm")]))
        finished = open_.hand_over(Complete(id_, {}))
        too_late = open_.hand_over(Start(id_, "worker-2"))

    assert [reply.result(SECONDS).version for reply in (started, appended, finished)] == [2, 3, 4]
    with pytest.raises(IllegalTransition):
        too_late.result(SECONDS)


def test_a_refusal_fails_its_own_command_alone(open_: Recording) -> None:
    with open_.writer_held():
        before = open_.hand_over(created())
        refused = open_.hand_over(Start("nobody", "worker-1"))
        after = open_.hand_over(created())

    assert before.result(SECONDS).version == after.result(SECONDS).version == 1
    with pytest.raises(NotFound):
        refused.result(SECONDS)


class Faulty:
    """A command with a fault of ours in it, after it has changed something."""

    def __init__(self, execution_id: str) -> None:
        self.execution_id = execution_id

    def decide(self, unit: Unit) -> Decision:
        unit.execution(self.execution_id).annotate(unit.stamp, {"half": "done"})
        raise ZeroDivisionError


def test_a_fault_in_one_command_leaves_no_trace_and_stops_no_other(open_: Recording) -> None:
    id_ = open_.running()
    with open_.writer_held():
        faulty = open_.hand_over(Faulty(id_))
        after = open_.hand_over(Annotate(id_, {"whole": "done"}))

    with pytest.raises(ZeroDivisionError):
        faulty.result(SECONDS)
    assert after.result(SECONDS).version == 3


def test_a_receipt_names_the_position_of_what_it_recorded(open_: Recording) -> None:
    receipt = open_.do(created())

    assert topics(receipt) == ["name.claimed.v1", "agent.registered.v1", "execution.created.v1"]
    assert receipt.position == receipt.events[-1].position == open_.ledger.position == 3
    assert list(receipt.events) == open_.log()


def test_nothing_is_answered_before_it_can_be_read(open_: Recording) -> None:
    seen: list[bool] = []

    def look(answers: Sequence[Answer]) -> None:
        for reply, answer in answers:
            assert not isinstance(answer, Exception)
            seen.append(open_.ledger.last_version(answer.id) == answer.version)
            reply.set_result(answer)

    open_.ledger.deliver_by(look)
    open_.do(created())

    assert seen == [True]


# A store that says no


def test_a_full_disk_fails_the_command_and_records_nothing(open_: Recording) -> None:
    id_ = open_.running()
    before = open_.log()

    with full_disk(open_.ledger.path), pytest.raises(StoreFailed, match="nothing was recorded"):
        open_.do(Annotate(id_, {"large": "x" * 500_000}))

    assert open_.log() == before


def test_once_there_is_space_again_the_next_command_succeeds(open_: Recording) -> None:
    id_ = open_.running()
    with full_disk(open_.ledger.path), pytest.raises(StoreFailed):
        open_.do(Annotate(id_, {"large": "x" * 500_000}))

    receipt = open_.do(Annotate(id_, {"large": "x" * 500_000}))

    assert (receipt.version, topics(receipt)) == (3, ["execution.annotated.v1"])
    assert [event.version for event in open_.ledger.read_execution(id_)] == [1, 2, 3]


def test_a_failed_commit_tells_everybody_in_the_batch(open_: Recording) -> None:
    id_ = open_.running()
    with ExitStack() as disk:
        with open_.writer_held():
            large = open_.hand_over(Annotate(id_, {"large": "x" * 500_000}))
            refused = open_.hand_over(Start(id_, "worker-2"))
            small = open_.hand_over(Annotate(id_, {"small": "x"}))
            disk.enter_context(full_disk(open_.ledger.path))
        answers = [reply.exception(SECONDS) for reply in (large, refused, small)]

    assert [type(answer) for answer in answers] == [StoreFailed, IllegalTransition, StoreFailed]
    assert open_.do(Annotate(id_, {"small": "x"})).version == 3


# Those who listen


def test_a_listener_that_fails_stops_neither_the_writer_nor_other_listeners(
    open_: Recording,
) -> None:
    def fail(_: Sequence[Recorded]) -> None:
        raise RuntimeError

    heard: list[Recorded] = []
    open_.ledger.subscribe(fail)
    open_.ledger.subscribe(heard.extend)

    receipt = open_.do(created())

    assert open_.do(Start(receipt.id, "worker-1")).version == 2
    assert heard == open_.log()


def test_a_caller_who_gave_up_keeps_nobody_else_waiting(open_: Recording) -> None:
    with open_.writer_held():
        given_up = open_.hand_over(created())
        other = open_.hand_over(created())
        given_up.cancel()

    assert other.result(SECONDS).version == 1
    assert open_.do(created()).version == 1


def test_answers_that_cannot_be_delivered_do_not_stop_the_writer(open_: Recording) -> None:
    def loop_is_closed(answers: Sequence[Answer]) -> None:
        raise RuntimeError

    open_.ledger.deliver_by(loop_is_closed)
    lost = open_.hand_over(created())
    open_.ledger.close()

    assert not lost.done()
    with recording(open_.ledger.path.parent) as again:
        assert len(again.log()) == 3


# Bounds


def test_more_commands_than_may_wait_are_refused(open_: Recording) -> None:
    id_ = open_.running()
    with open_.writer_held():
        waiting = [open_.hand_over(Annotate(id_, {})) for _ in range(MOST_WAITING)]
        assert open_.ledger.waiting == MOST_WAITING
        with pytest.raises(QueueFull):
            open_.hand_over(Annotate(id_, {}))

    assert waiting[-1].result(SECONDS).version == 2 + MOST_WAITING
    assert open_.do(Annotate(id_, {})).version == 3 + MOST_WAITING


def test_more_bytes_than_may_wait_are_refused_until_they_were_taken(open_: Recording) -> None:
    id_ = open_.running()
    with open_.writer_held():
        large = open_.hand_over(Annotate(id_, {}), size=MOST_BYTES_WAITING + 1)
        with pytest.raises(QueueFull):
            open_.hand_over(Annotate(id_, {}))

    assert large.result(SECONDS).version == 3
    assert open_.do(Annotate(id_, {})).version == 4


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
        [sys.executable, "-c", script, open_.ledger.path],
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
        Ledger(open_.ledger.path)

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


# One winner


def test_of_many_who_expect_the_same_version_one_wins(open_: Recording) -> None:
    id_ = open_.running()
    barrier = threading.Barrier(8)

    def write(n: int) -> BaseException | None:
        barrier.wait(SECONDS)
        reply = open_.hand_over(Annotate(id_, {"by": str(n)}), expected_version=2)
        return reply.exception(SECONDS)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(write, range(8)))

    assert answers.count(None) == 1
    losers = [answer for answer in answers if answer is not None]
    assert {type(answer) for answer in losers} == {VersionMismatch}
    assert open_.ledger.last_version(id_) == 3
