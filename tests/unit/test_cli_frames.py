from collections.abc import AsyncIterator

import pytest

from server.cli.frames import Frame, frames_of, readable, short
from server.cli.output import clean, money

STREAM = (
    b"retry: 2000\n\n"
    b'event: execution\nid: 1\ndata: {"sequence":1,"execution_id":"x"}\n\n'
    b": heartbeat\n\n"
    b'event: content\nid: 2\ndata: {"sequence":2,"content":"a: b"}\n\n'
    b'event: done\nid: 3\ndata: {"sequence":3,"output":{}}\n\n'
)


async def pieces(size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(STREAM), size):
        yield STREAM[at : at + size]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
async def test_frames_are_read_however_the_bytes_arrive(size: int) -> None:
    frames = [frame async for frame in frames_of(pieces(size))]

    assert [(frame.name, frame.sequence) for frame in frames] == [
        ("execution", 1),
        ("content", 2),
        ("done", 3),
    ]
    assert frames[1].data["content"] == "a: b"
    assert [frame.is_last for frame in frames] == [False, False, True]


def test_text_of_an_agent_cannot_steer_the_terminal() -> None:
    frame = Frame("content", 2, {"at": "", "content": "\x1b[2Jgone [red]x[/red]"}, b"")

    line = readable(frame).plain

    assert "\x1b" not in line
    assert "[red]x[/red]" in line


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"status": "approved", "approval_id": "a"}, "approved, by Ada"),
        ({"status": "running", "worker": "w", "attempt": 1}, "running, by Ada"),
        (
            {"status": "running", "approval_id": "a", "reason": "too dear"},
            "rejected, and running, by Ada: too dear",
        ),
    ],
)
def test_a_no_after_which_a_run_goes_on_is_seen(facts: dict[str, str], said: str) -> None:
    data = {"at": "", "previous": "", "actor": {"id": "1", "name": "Ada"}, **facts}

    assert readable(Frame("status", 2, data, b"")).plain.endswith(said)


def test_control_characters_are_shown_as_what_they_are_not() -> None:
    assert clean("a\x07b\u202ec") == "a\ufffdb\ufffdc"
    assert clean("two\nlines\tand a tab") == "two\nlines\tand a tab"


@pytest.mark.parametrize(
    ("cost", "said"),
    [(None, "?"), ("0", "$0.00"), ("0.0000255", "$0.0000255"), ("12.50", "$12.50"), ("3", "$3.00")],
)
def test_money_shows_all_digits_that_count(cost: str | None, said: str) -> None:
    assert money(cost) == said


def test_a_long_value_is_cut_off() -> None:
    assert short({"x": "y" * 1000}).endswith("...")
