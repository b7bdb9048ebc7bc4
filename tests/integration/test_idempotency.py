from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ledger import commands as c
from ledger.errors import IllegalTransition, KeyReused, VersionMismatch
from tests.given import NOON
from tests.recording import UMBRELLA, HandClock, Recording, created, recording

pytestmark = pytest.mark.both_stores


@pytest.fixture(name="open_")
def open_fixture(tmp_path: Path) -> Iterator[Recording]:
    with recording(tmp_path) as open_:
        yield open_


def test_the_same_key_records_once_and_gets_the_first_answer(open_: Recording) -> None:
    first = open_.do(created(), key="k-1", digest="d")
    before = open_.log()

    again = open_.do(created(), key="k-1", digest="d")

    assert (again.id, again.version, again.subject) == (first.id, first.version, first.subject)
    assert (first.repeated, again.repeated) == (False, True)
    assert open_.log() == before


def test_the_same_key_within_one_commit_records_once(open_: Recording) -> None:
    with open_.writer_held():
        replies = [open_.hand_over(created(), key="k-1", digest="d") for _ in range(3)]

    receipts = [reply.result() for reply in replies]

    assert len({receipt.id for receipt in receipts}) == 1
    assert [receipt.repeated for receipt in receipts] == [False, True, True]


def test_the_same_key_for_another_request_is_refused(open_: Recording) -> None:
    open_.do(created(), key="k-1", digest="d")
    before = open_.log()

    with pytest.raises(KeyReused):
        open_.do(created(), key="k-1", digest="another")

    assert open_.log() == before


def test_a_refused_request_leaves_its_key_unused(open_: Recording) -> None:
    id_ = open_.pending()
    with pytest.raises(IllegalTransition):
        open_.do(c.Complete(id_, {}), key="k-1", digest="d")
    open_.do(c.Start(id_, "worker-1"))

    assert open_.do(c.Complete(id_, {}), key="k-1", digest="d").version == 3


def test_the_same_key_in_another_workspace_is_another_key(open_: Recording) -> None:
    first = open_.do(created(), key="k-1", digest="d")

    assert open_.do(created(), UMBRELLA, key="k-1", digest="d").id != first.id


def test_a_key_outlives_a_restart(tmp_path: Path) -> None:
    with recording(tmp_path) as open_:
        first = open_.do(created(), key="k-1", digest="d")

    with recording(tmp_path, clock=HandClock(NOON + timedelta(days=365))) as again:
        assert again.do(created(), key="k-1", digest="d").id == first.id


def test_another_version_than_expected_is_told_with_the_actual_one(open_: Recording) -> None:
    id_ = open_.running()

    with pytest.raises(VersionMismatch) as refusal:
        open_.do(c.Annotate(id_, {}), expected_version=1)

    assert (refusal.value.expected, refusal.value.actual) == (1, 2)
    assert open_.do(c.Annotate(id_, {}), expected_version=2).version == 3


def test_a_key_is_answered_before_the_version_is_compared(open_: Recording) -> None:
    id_ = open_.running()
    first = open_.do(c.Annotate(id_, {}), key="k-1", digest="d", expected_version=2)

    again = open_.do(c.Annotate(id_, {}), key="k-1", digest="d", expected_version=2)

    assert (again.version, again.repeated) == (first.version, True)
