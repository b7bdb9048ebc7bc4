"""The parser of server-sent events: any pieces of a stream give the same messages."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ledger_client.sse import Message, Parser

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=12)
NAME = TEXT.filter(lambda text: text != "")
END = st.sampled_from(["\n", "\r\n", "\r"])


def parsed(*chunks: bytes) -> list[Message]:
    parser = Parser()
    return [message for chunk in chunks for message in parser.feed(chunk)]


def pieces(whole: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(whole) + 1) for cut in cuts), len(whole)]
    return [whole[a:b] for a, b in pairwise(places)]


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[Message]]:
    """A stream as some server may write it, and the messages in it."""
    text, messages = "", []
    for name, lines, id_ in draw(
        st.lists(st.tuples(NAME, st.lists(TEXT, min_size=1, max_size=3), TEXT), max_size=5)
    ):
        end = draw(END)
        fields = [f"event: {name}", f"id: {id_}", *(f"data: {line}" for line in lines)]
        text += "".join(f"{line}{end}" for line in [": comment", "retry: 2000", *fields, ""])
        messages.append(Message(name, "\n".join(lines), id_))
    return text.encode(), messages


@given(stream=streams(), cuts=st.lists(st.integers(0, 500), max_size=8))
def test_any_pieces_give_the_same_messages(
    stream: tuple[bytes, list[Message]], cuts: list[int]
) -> None:
    whole, messages = stream

    assert parsed(*pieces(whole, cuts)) == messages


@given(noise=st.binary(max_size=60), cuts=st.lists(st.integers(0, 60), max_size=6))
def test_noise_is_read_the_same_in_any_pieces(noise: bytes, cuts: list[int]) -> None:
    assert parsed(*pieces(noise, cuts)) == parsed(noise)


def test_a_message_that_is_not_finished_is_not_given_out() -> None:
    assert parsed(b"event: content\ndata: {}\n") == []


def test_a_line_end_in_two_pieces_is_one_line_end() -> None:
    assert parsed(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == [Message("message", "a\nb", "")]


def test_a_letter_in_two_pieces_is_one_letter() -> None:
    whole = "data: é\n\n".encode()

    assert parsed(whole[:7], whole[7:]) == [Message("message", "é", "")]


def test_an_id_stays_until_there_is_another() -> None:
    assert [m.id for m in parsed(b"id: 4\ndata: a\n\ndata: b\n\n")] == ["4", "4"]


def test_a_space_after_the_colon_is_no_part_of_the_value_and_a_second_one_is() -> None:
    assert [m.data for m in parsed(b"data:a\n\ndata:  b\n\n")] == ["a", " b"]
