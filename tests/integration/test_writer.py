import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger.commands import Annotate, Append, Complete, Start
from ledger.commands.command import Decision
from ledger.errors import IllegalTransition, NotFound, QueueFull, VersionMismatch
from ledger.events import Thought
from ledger.order_queue import MOST_BYTES_WAITING, MOST_COMMANDS, MOST_WAITING
from ledger.orders import Answer
from ledger.unit import Unit
from tests.given import frame
from tests.recording import ACME, SECONDS, Recording, created, recording, topics


@pytest.fixture(name="open_")
def open_fixture(tmp_path: Path) -> Iterator[Recording]:
    with recording(tmp_path) as open_:
        yield open_


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


def test_what_is_held_is_one_commit_once_it_is_released(open_: Recording) -> None:
    id_ = open_.running()
    open_.batches.clear()
    held = [open_.hold(Annotate(id_, {})) for _ in range(100)]

    before = open_.do(Annotate(id_, {})).version
    open_.ledger.release()

    assert before == 3
    assert [reply.result(SECONDS).version for reply in held] == list(range(4, 104))
    assert [batch.commands for batch in open_.batches] == [1, 100]


def test_only_the_first_of_what_is_held_asks_for_a_release(open_: Recording) -> None:
    def hold() -> bool:
        return open_.ledger.hold(created(), ACME, Future())

    assert [hold(), hold(), hold()] == [True, False, False]
    open_.ledger.release()
    assert [hold(), hold()] == [True, False]


def test_closing_records_what_is_held(open_: Recording) -> None:
    held = open_.hold(created())

    open_.ledger.close()

    assert held.result(SECONDS).version == 1


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


def test_what_is_held_counts_among_what_may_wait(open_: Recording) -> None:
    id_ = open_.running()
    held = [open_.hold(Annotate(id_, {})) for _ in range(MOST_WAITING)]

    assert open_.ledger.waiting == MOST_WAITING
    with pytest.raises(QueueFull):
        open_.hold(Annotate(id_, {}))
    with pytest.raises(QueueFull):
        open_.hand_over(Annotate(id_, {}))

    open_.ledger.release()
    assert held[-1].result(SECONDS).version == 2 + MOST_WAITING


def test_more_bytes_than_may_wait_are_refused_until_they_were_taken(open_: Recording) -> None:
    id_ = open_.running()
    with open_.writer_held():
        large = open_.hand_over(Annotate(id_, {}), size=MOST_BYTES_WAITING + 1)
        with pytest.raises(QueueFull):
            open_.hand_over(Annotate(id_, {}))

    assert large.result(SECONDS).version == 3
    assert open_.do(Annotate(id_, {})).version == 4


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
