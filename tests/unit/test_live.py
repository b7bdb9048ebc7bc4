"""Channels: what the readers of one execution share, and the hub that wakes them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import events as e
from ledger.commands import Append, Complete
from ledger.events import EncodedFrame
from ledger.mapper import Recorded
from ledger.strict_json import encode
from server.frames import frames_of
from server.live import Channel, Hub
from tests.recording import Recording, recording

LARGE = "x" * 100_000


@pytest.fixture
def rec(tmp_path: Path) -> Iterator[Recording]:
    with recording(tmp_path) as rec:
        yield rec


def streamed(rec: Recording, id_: str, *texts: str) -> list[Recorded]:
    """What was recorded for some pieces of content."""
    frames = [EncodedFrame(e.ContentStreamed, encode({"content": text})) for text in texts]
    return list(rec.do(Append(id_, frames)).events)


def channel_with(events: list[Recorded]) -> Channel:
    channel = Channel()
    for event in events:
        channel.publish(event)
    return channel


def test_a_channel_has_the_frames_that_were_published(rec: Recording) -> None:
    events = streamed(rec, rec.running(), "a", "b", "c")
    channel = channel_with(events)

    assert channel.after(2) == frames_of(events, 2)
    assert channel.after(4) == frames_of(events[2:], 4)
    assert channel.after(5) == (b"", 5, False)
    assert channel.after(9) == (b"", 9, False)


def test_what_was_before_the_first_frame_must_be_read_from_the_store(rec: Recording) -> None:
    channel = channel_with(streamed(rec, rec.running(), "a", "b"))

    assert channel.after(1) is None
    assert channel.after(0) is None
    assert Channel().after(0) is None


def test_a_channel_keeps_the_latest_frames_within_its_bound(rec: Recording) -> None:
    """Of 100 kB each it can keep two; a reader further behind must ask the store."""
    events = streamed(rec, rec.running(), *[LARGE] * 5)
    channel = channel_with(events)

    assert [channel.after(sequence) is None for sequence in (2, 3, 4)] == [True] * 3
    assert channel.after(5) == frames_of(events[3:], 5)


def test_one_frame_beyond_the_bound_is_kept(rec: Recording) -> None:
    events = streamed(rec, rec.running(), "a", LARGE * 4)
    channel = channel_with(events)

    assert channel.after(2) is None
    assert channel.after(3) == frames_of(events[1:], 3)


def test_the_last_frame_of_a_run_ends_its_stream(rec: Recording) -> None:
    id_ = rec.running()
    events = [*streamed(rec, id_, "a"), *rec.do(Complete(id_, {})).events]
    channel = channel_with(events)

    assert channel.after(2) == frames_of(events, 2)
    ended = [frames.ended for n in (2, 3, 4, 99) if (frames := channel.after(n))]
    assert ended == [True] * 4


async def test_a_reader_waits_no_longer_than_it_said() -> None:
    assert await Channel().went_on(0, 0.01) is False


async def test_a_reader_does_not_wait_for_what_is_there(rec: Recording) -> None:
    channel = channel_with(streamed(rec, rec.running(), "a"))

    assert await channel.went_on(2, 60) is True


async def test_every_reader_of_an_execution_is_woken_and_of_another_none(rec: Recording) -> None:
    mine, other = rec.running(), rec.running()
    hub = Hub()
    with hub.join(mine) as channel, hub.join(other) as quiet, hub.join_everything() as everything:
        waiting = [asyncio.create_task(channel.went_on(2, 60)) for _ in range(3)]
        all_ = asyncio.create_task(everything.went_on(0, 60))
        asleep = asyncio.create_task(quiet.went_on(2, 60))
        await asyncio.sleep(0)

        hub.announce(streamed(rec, mine, "a"))

        assert await asyncio.gather(*waiting, all_) == [True] * 4
        assert not asleep.done()
        hub.close()
        assert await asleep is False
    assert hub.closing


async def test_listeners_are_told_everything_but_frames(rec: Recording) -> None:
    id_ = rec.running()
    events = [*streamed(rec, id_, "a", "b"), *rec.do(Complete(id_, {})).events]
    hub, told = Hub(), list[str]()
    hub.listen(lambda recorded: told.extend(event.topic for event in recorded))

    hub.announce(events)
    hub.announce(events[:1])
    await asyncio.sleep(0)

    assert told == [e.Completed.TOPIC]


async def test_a_reader_that_is_ahead_of_what_is_announced_goes_on_waiting(rec: Recording) -> None:
    id_ = rec.running()
    hub = Hub()
    with hub.join(id_) as channel:
        ahead = asyncio.create_task(channel.went_on(4, 60))  # so far it read in the store
        await asyncio.sleep(0)

        for text in ("a", "b"):
            hub.announce(streamed(rec, id_, text))
            await asyncio.sleep(0)
            assert not ahead.done()

        hub.announce(streamed(rec, id_, "c"))
        assert await ahead is True


async def test_whoever_is_about_to_wait_when_the_streams_end_does_not_wait() -> None:
    hub = Hub()
    with hub.join("a") as channel, hub.join_everything() as everything:
        hub.close()

        async with asyncio.timeout(20):
            assert await channel.went_on(0, 3600) is False
            assert await everything.went_on(0, 3600) is False
            await hub.rest(3600)


async def test_a_channel_lives_as_long_as_it_has_readers(rec: Recording) -> None:
    id_ = rec.running()
    hub = Hub()
    with hub.join(id_) as first:
        with hub.join(id_) as second, hub.join_everything():
            assert second is first
            assert hub.readers == 3
        hub.announce(streamed(rec, id_, "a"))
        await asyncio.sleep(0)
        assert first.after(2) is not None
    assert hub.readers == 0
    with hub.join(id_) as anew:
        assert anew.after(2) is None
