"""The law of streams: what is replayed is what was sent live, wherever one cuts and resumes."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.frames import HEARTBEAT, PREAMBLE
from tests.live_server import Caller, Reader, live_server
from tests.quick_settings import quick_settings
from tests.stores import database_in

pytestmark = pytest.mark.both_stores

TEXT = st.text(max_size=40)
FRAME = st.one_of(
    st.builds(lambda text: {"type": "thinking", "content": text}, TEXT),
    st.builds(lambda text: {"type": "content", "content": text}, TEXT),
    st.builds(lambda text: {"type": "tool_start", "id": "t", "name": "n", "input": text}, TEXT),
    st.builds(lambda text: {"type": "tool_end", "id": "t", "name": "n", "output": [text]}, TEXT),
    st.just({"type": "usage", "model": "m", "prompt_tokens": 3, "completion_tokens": 2}),
)
BATCHES = st.lists(st.lists(FRAME, min_size=1, max_size=8), max_size=6)


@pytest.fixture(scope="module")
def caller(kept_in: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    database = database_in(tmp_path_factory.mktemp("streams"))
    settings = quick_settings(database, heartbeat_seconds=0.05)
    with live_server(settings) as caller:
        yield caller


def frames_in(stream: bytes) -> bytes:
    """A stream without what is no frame."""
    assert stream.startswith(PREAMBLE)
    return stream.removeprefix(PREAMBLE).replace(HEARTBEAT, b"")


def ids_in(frames: bytes) -> list[int]:
    lines = frames.split(b"\n")
    return [int(line.removeprefix(b"id: ")) for line in lines if line.startswith(b"id: ")]


def after(frames: bytes, sequence: int) -> bytes:
    """The frames with an id beyond a sequence."""
    pieces = [piece + b"\n\n" for piece in frames.split(b"\n\n")[:-1]]
    return b"".join(piece for piece in pieces if ids_in(piece)[0] > sequence)


def begun(caller: Caller) -> str:
    id_: str = caller.post("/executions", {"agent": "a", "input": {}})["id"]
    caller.post(f"/executions/{id_}/start")
    return id_


@given(batches=BATCHES, joins=st.lists(st.integers(0, 60), max_size=3))
def test_a_replay_is_byte_for_byte_what_was_sent_live(
    caller: Caller, batches: list[list[dict[str, Any]]], joins: list[int]
) -> None:
    """Law 9: also for readers who join in the middle, at any place, while events are recorded."""
    id_ = begun(caller)
    live = Reader(caller, f"/executions/{id_}/stream")
    late: list[tuple[int, Reader]] = []
    for number, batch in enumerate(batches):
        caller.post(f"/executions/{id_}/frames", batch)
        if number < len(joins):
            path = f"/executions/{id_}/stream?starting_after={joins[number]}"
            late.append((joins[number], Reader(caller, path)))
    caller.post(f"/executions/{id_}/complete", {"output": {"ok": True}})

    frames = frames_in(live.read())

    assert frames == frames_in(caller.stream(f"/executions/{id_}/replay"))
    assert ids_in(frames) == list(range(1, sum(map(len, batches)) + 4))
    for sequence, reader in late:
        assert frames_in(reader.read()) == after(frames, sequence)


@given(batches=BATCHES, cut=st.integers(0, 2**16))
def test_a_reader_cut_off_anywhere_resumes_without_gap_or_double(
    caller: Caller, batches: list[list[dict[str, Any]]], cut: int
) -> None:
    id_ = begun(caller)
    for batch in batches:
        caller.post(f"/executions/{id_}/frames", batch)
    caller.post(f"/executions/{id_}/fail", {"error": "no"})
    whole = frames_in(caller.stream(f"/executions/{id_}/replay"))
    seen = whole[: cut % (len(whole) + 1)]
    seen = seen[: seen.rfind(b"\n\n") + 2] if b"\n\n" in seen else b""
    last = ids_in(seen)[-1] if seen else 0

    rest = caller.stream(f"/executions/{id_}/stream", {"Last-Event-ID": str(last)})

    assert seen + frames_in(rest) == whole


def test_a_finished_run_without_a_cursor_answers_with_its_last_frame(caller: Caller) -> None:
    id_ = begun(caller)
    caller.post(f"/executions/{id_}/complete", {"output": {"ok": True}})

    frames = frames_in(caller.stream(f"/executions/{id_}/stream"))

    assert frames == after(frames_in(caller.stream(f"/executions/{id_}/replay")), 2)
    assert frames.startswith(b"event: done\nid: 3\n")


@pytest.mark.parametrize("beyond", [3, 4, 10**15])
def test_resuming_a_finished_run_at_or_beyond_its_end_closes_at_once(
    caller: Caller, beyond: int
) -> None:
    id_ = begun(caller)
    caller.post(f"/executions/{id_}/complete")

    stream = caller.stream(f"/executions/{id_}/stream?starting_after={beyond}")

    assert frames_in(stream) == b""


def test_a_replay_ends_where_it_is_told(caller: Caller) -> None:
    id_ = begun(caller)
    caller.post(f"/executions/{id_}/frames", [{"type": "content", "content": "x"}] * 5)

    frames = frames_in(caller.stream(f"/executions/{id_}/replay?starting_after=2&until=4"))

    assert ids_in(frames) == [3, 4]


def test_no_text_can_forge_a_second_frame(caller: Caller) -> None:
    """Law 10, on the wire: line ends of every kind stay inside their frame."""
    id_ = begun(caller)
    text = "a\n\nevent: done\r\nid: 99\rdata: {}\n\n\u2028\u0085\0"
    caller.post(f"/executions/{id_}/frames", {"type": "content", "content": text})

    frames = frames_in(caller.stream(f"/executions/{id_}/replay"))

    assert frames.count(b"\n\n") == 3
    assert ids_in(frames) == [1, 2, 3]
