import resource
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ledger.commands import Annotate, Start
from ledger.errors import StoreFailed
from ledger.mapper import Recorded
from ledger.orders import Answer
from tests.recording import SECONDS, Recording, created, recording, topics


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


# A store that says no


def test_a_full_disk_fails_the_command_and_records_nothing(open_: Recording) -> None:
    id_ = open_.running()
    before = open_.log()

    with full_disk(open_.file), pytest.raises(StoreFailed, match="nothing was recorded"):
        open_.do(Annotate(id_, {"large": "x" * 500_000}))

    assert open_.log() == before


def test_once_there_is_space_again_the_next_command_succeeds(open_: Recording) -> None:
    id_ = open_.running()
    with full_disk(open_.file), pytest.raises(StoreFailed):
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
            disk.enter_context(full_disk(open_.file))
        answers = [reply.exception(SECONDS) for reply in (large, refused, small)]

    assert [type(answer) for answer in answers] == [StoreFailed] * 3
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
    with recording(open_.file.parent) as again:
        assert len(again.log()) == 3
