"""Pages of frames that are shared by whoever replays the same run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import events as e
from ledger.commands import Append, Complete
from ledger.events import EncodedFrame
from ledger.strict_json import encode
from server.frames import PREAMBLE, Frames, frames_of
from server.replays import Pieces, Replays
from tests.recording import Recording, recording


@pytest.fixture
def rec(tmp_path: Path) -> Iterator[Recording]:
    with recording(tmp_path) as rec:
        yield rec


def stream(rec: Recording, id_: str, *texts: str) -> None:
    frames = [EncodedFrame(e.ContentStreamed, encode({"content": text})) for text in texts]
    rec.do(Append(id_, frames))


def test_a_page_that_was_read_is_shared(rec: Recording) -> None:
    id_ = rec.running()
    replays = Replays(rec.ledger)

    page = replays.read(id_, 0)

    assert page == frames_of(rec.ledger.read_execution(id_), 0)
    assert replays.kept(id_, 0, None) is page
    assert replays.kept(id_, 1, None) is None
    assert replays.kept(id_, 0, 2) is None


def test_a_page_may_be_followed_by_more(rec: Recording) -> None:
    id_ = rec.running()
    replays = Replays(rec.ledger)
    first = replays.read(id_, 0)
    stream(rec, id_, "a")

    second = replays.read(id_, first.last)

    assert (first.last, second.last) == (2, 3)
    whole = frames_of(rec.ledger.read_execution(id_), 0)
    assert first.bytes + second.bytes == whole.bytes


def test_nothing_new_is_not_kept(rec: Recording) -> None:
    """Else a reader at the end would never see what is recorded next."""
    id_ = rec.running()
    replays = Replays(rec.ledger)

    assert replays.read(id_, 2) == (b"", 2, False)
    assert replays.kept(id_, 2, None) is None


def test_a_page_ends_where_it_is_told_and_where_the_run_ends(rec: Recording) -> None:
    id_ = rec.running()
    stream(rec, id_, "a", "b")
    rec.do(Complete(id_, {}))
    replays = Replays(rec.ledger)

    assert replays.read(id_, 1, 3).last == 3
    assert [replays.read(id_, after).ended for after in (0, 4)] == [True, True]


def test_what_is_kept_is_bounded_and_the_oldest_goes_first(rec: Recording) -> None:
    ids = [rec.running() for _ in range(3)]
    for id_ in ids:
        stream(rec, id_, "x" * 1_000)
    size = len(Replays(rec.ledger).read(ids[0], 0).bytes)
    replays = Replays(rec.ledger, most_bytes=int(2.5 * size))

    replays.read(ids[0], 0)
    replays.read(ids[1], 0)
    replays.kept(ids[0], 0, None)
    replays.read(ids[2], 0)

    assert [replays.kept(id_, 0, None) is None for id_ in ids] == [False, True, False]


def test_a_page_larger_than_the_bound_is_given_but_not_kept(rec: Recording) -> None:
    id_ = rec.running()
    replays = Replays(rec.ledger, most_bytes=10)

    assert replays.read(id_, 0).last == 2
    assert replays.kept(id_, 0, None) is None


def test_reading_the_same_page_again_does_not_count_twice(rec: Recording) -> None:
    ids = [rec.running() for _ in range(2)]
    size = len(Replays(rec.ledger).read(ids[0], 0).bytes)
    replays = Replays(rec.ledger, most_bytes=2 * size + 10)

    for _ in range(5):
        replays.read(ids[0], 0)
    replays.read(ids[1], 0)

    assert all(replays.kept(id_, 0, None) is not None for id_ in ids)


def test_the_pages_of_a_replay_are_kept_in_one_piece(rec: Recording) -> None:
    id_ = rec.running()
    stream(rec, id_, "a", "b", "c")
    replays = Replays(rec.ledger)
    pieces = Pieces(0)
    after = 0
    while after < 5:
        page = replays.read(id_, after, 5, most=2)
        pieces.add(page)
        after = page.last

    replays.keep_body(id_, 0, 5, pieces)

    frames = frames_of(rec.ledger.read_execution(id_), 0)
    assert replays.body(id_, 0, 5) == PREAMBLE + frames.bytes
    assert [replays.kept(id_, after, 5) for after in (0, 2, 4)] == [None] * 3


def test_a_long_replay_is_not_held_in_one_piece() -> None:
    pieces = Pieces(0, most_bytes=10)
    for last in range(1, 4):
        pieces.add(Frames(b"12345", last, ended=last == 3))

    assert pieces.body() is None
