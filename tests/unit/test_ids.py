from datetime import UTC, datetime, timedelta

import pytest

from ledger.ids import is_id, new_id, new_trace_id, trace_id_of

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def parts_of(ksuid: str) -> tuple[datetime, int]:
    """The second and the payload of a KSUID, by the definition of the format."""
    number = 0
    for digit in ksuid:
        number = number * 62 + DIGITS.index(digit)
    seconds, payload = divmod(number, 2**128)
    return datetime.fromtimestamp(1_400_000_000 + seconds, UTC), payload


def test_the_reference_id_is_read_as_its_documentation_says() -> None:
    made, payload = parts_of("0ujtsYcgvSTl8PAuAdqWYSMnLOv")

    assert made == datetime(2017, 10, 10, 4, 0, 47, tzinfo=UTC)
    assert payload == 0xB5A1CD34B5F99D1154FB6853345C9735


@pytest.mark.parametrize(
    "second",
    [
        datetime(2014, 5, 13, 16, 53, 20, tzinfo=UTC),
        datetime(2017, 10, 10, 4, 0, 47, tzinfo=UTC),
        datetime(2150, 6, 19, 23, 21, 35, tzinfo=UTC),
    ],
    ids=["the first", "one between", "the last"],
)
def test_an_id_tells_the_second_in_which_it_was_made(second: datetime) -> None:
    id_ = new_id(second + timedelta(milliseconds=999))

    assert is_id(id_)
    assert parts_of(id_)[0] == second


def test_ids_sort_by_second() -> None:
    ids = [new_id(NOON + timedelta(seconds=second)) for second in range(500)]

    assert sorted(ids) == ids


def test_ids_of_one_second_differ() -> None:
    assert len({new_id(NOON) for _ in range(1_000)}) == 1_000


@pytest.mark.parametrize(
    "text",
    ["", "0" * 26, "0" * 28, "0" * 26 + "-", "0" * 26 + "\n", "0" * 27 + "\n", "\N{SNOWMAN}" * 27],
)
def test_what_has_not_the_form_of_an_id_is_none(text: str) -> None:
    assert not is_id(text)


def test_a_new_trace_id_is_one_that_a_traceparent_may_carry() -> None:
    trace_id = new_trace_id()

    assert trace_id_of(f"00-{trace_id}-00f067aa0ba902b7-01") == trace_id


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        "",
        TRACE_ID,
        f"00-{TRACE_ID}-00f067aa0ba902b7",
        f"00-{TRACE_ID.upper()}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE_ID}-00f067aa0ba902b7-01\n",
    ],
)
def test_a_traceparent_that_is_none_carries_no_trace_id(traceparent: str | None) -> None:
    assert trace_id_of(traceparent) is None
