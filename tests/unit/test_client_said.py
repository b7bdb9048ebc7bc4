"""What was said, as requests; and any value as JSON that the server takes."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from ledger.clock import parse_time
from ledger.strict_json import decode
from ledger_client.jsontext import encode, encode_anything, jsonable
from ledger_client.recorder.said import (
    COMPLETE,
    CREATE,
    FRAMES,
    START,
    Said,
    requests_of,
    time_text,
)

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.datetimes()
    | st.decimals(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.dictionaries(st.text(), inner)
        | st.dictionaries(st.integers(), inner)
    ),
    max_leaves=12,
)


def content(text: str, at: int = 0) -> Said:
    return Said(at, FRAMES, "content", text)


@given(ANYTHING)
def test_any_value_becomes_json_that_the_server_takes(value: object) -> None:
    decode(encode_anything(value).encode())


@given(st.integers(0, 4 * 10**18))
def test_a_time_is_read_as_it_was_written(nanoseconds: int) -> None:
    time = parse_time(time_text(nanoseconds))

    assert time.timestamp() == pytest.approx(nanoseconds / 1e9, abs=1e-5)


@given(st.lists(st.sampled_from(["frame", "other"]), max_size=40))
def test_requests_say_everything_in_order(kinds: list[str]) -> None:
    said = [
        content(str(n)) if kind == "frame" else Said(0, START, "", encode({"worker": str(n)}))
        for n, kind in enumerate(kinds)
    ]

    frames = [
        json.loads(body) if path == FRAMES else [json.loads(body)]
        for path, body in requests_of(said)
    ]
    found = [each.get("content") or each.get("worker") for batch in frames for each in batch]

    assert found == [str(n) for n in range(len(kinds))]


def test_frames_that_follow_each_other_share_a_request_up_to_two_hundred() -> None:
    sizes = [len(json.loads(body)) for _, body in requests_of(content("x") for _ in range(450))]

    assert sizes == [200, 200, 50]


def test_large_frames_share_a_request_up_to_a_megabyte() -> None:
    bodies = [body for _, body in requests_of(content("x" * 400_000) for _ in range(5))]

    assert [len(json.loads(body)) for body in bodies] == [2, 2, 1]


def test_what_was_said_carries_its_time() -> None:
    at = 1_700_000_000_123_456_789
    said = [Said(at, CREATE, "", '{"agent":"a"}'), content("Hi", at), Said(at, COMPLETE, "", "{}")]

    (_, create), (_, frames), (_, complete) = requests_of(said)

    when = "2023-11-14T22:13:20.123456Z"
    assert json.loads(create) == {"agent": "a", "created_at": when}
    assert json.loads(frames) == [{"type": "content", "content": "Hi", "at": when}]
    assert json.loads(complete) == {"at": when}


@dataclass
class Point:
    x: int
    y: Any


class Model(BaseModel):
    name: str


class Rude:
    def __repr__(self) -> str:
        message = "no"
        raise RuntimeError(message)


@pytest.mark.parametrize(
    ("value", "nearest"),
    [
        (Point(1, (2, 3)), {"x": 1, "y": [2, 3]}),
        (Model(name="n"), {"name": "n"}),
        ({1: "a", None: "b", ("t",): "c"}, {"1": "a", "None": "b", "('t',)": "c"}),
        (2**64, str(2**64)),
        (float("inf"), "inf"),
        ("\ud800", "?"),
    ],
)
def test_what_json_lacks_becomes_the_nearest_thing(value: object, nearest: object) -> None:
    assert jsonable(value) == nearest


def test_two_keys_that_json_cannot_tell_apart_become_one() -> None:
    assert jsonable({1: "a", "1": "b"}) == {"1": "b"}


def test_a_value_that_contains_itself_and_one_without_a_repr_come_to_an_end() -> None:
    ring: list[Any] = [Rude()]
    ring.append(ring)

    text = encode_anything(ring)

    assert "Rude object" in text
    decode(text.encode())
