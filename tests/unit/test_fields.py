from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from ledger.fields import Count, Money, Name, Number, Time, Word
from ledger.strict_json import decode


def read(kind: Any, text: bytes) -> Any:
    return TypeAdapter(kind).validate_python(decode(text))


@pytest.mark.parametrize("text", [b'"0.10"', b"0.10"])
def test_money_is_exact_as_text_and_as_a_number(text: bytes) -> None:
    assert str(read(Money, text)) == "0.10"


def test_money_may_have_an_exponent() -> None:
    assert read(Money, b"1e-12") == Decimal("0.000000000001")


@pytest.mark.parametrize("text", [b"-0.01", b"1e-13", b"1000000001", b"1e400", b'"NaN"', b'"x"'])
def test_what_is_no_amount_of_money_is_refused(text: bytes) -> None:
    with pytest.raises(ValidationError):
        read(Money, text)


@pytest.mark.parametrize("text", [b"0", b"9007199254740992"])
def test_a_count_is_what_every_json_reader_can_hold(text: bytes) -> None:
    assert read(Count, text) == int(text)


@pytest.mark.parametrize("text", [b"-1", b"9007199254740993", b"1.5", b"null", b"true", b'"1"'])
def test_what_is_no_count_is_refused(text: bytes) -> None:
    with pytest.raises(ValidationError):
        read(Count, text)


def test_a_number_is_a_finite_float() -> None:
    assert type(read(Number, b"1.10")) is float
    with pytest.raises(ValidationError):
        read(Number, b"1e400")


def test_a_time_is_turned_to_utc() -> None:
    time = read(Time, b'"2026-01-31T13:00:00+01:00"')

    assert (time, time.tzinfo) == (datetime(2026, 1, 31, 12, tzinfo=UTC), UTC)


@pytest.mark.parametrize(
    "time",
    [
        datetime(1969, 12, 31, tzinfo=UTC),
        datetime(9000, 1, 2, tzinfo=UTC),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
        datetime(2026, 1, 31, 12),  # noqa: DTZ001 - without a zone on purpose
    ],
)
def test_a_time_without_a_zone_or_out_of_bounds_is_refused(time: datetime) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Time).validate_python(time)


@pytest.mark.parametrize("text", [b"1", b"1.5", b'"1700000000"', b'"-1"', b"true", b"null"])
def test_a_time_is_text_and_never_a_number(text: bytes) -> None:
    with pytest.raises(ValidationError):
        read(Time, text)


@pytest.mark.parametrize("text", ["", "a" * 200, "Sn\N{SNOWMAN}w 'n\" <b>"])
def test_a_word_is_a_short_text(text: str) -> None:
    assert TypeAdapter(Word).validate_python(text) == text


@pytest.mark.parametrize("text", ["a" * 201, "\0", "a\nb", "a\n", "\x7f"])
def test_a_word_has_no_control_characters(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Word).validate_python(text)


def test_a_name_is_trimmed() -> None:
    assert TypeAdapter(Name).validate_python("  Writer ") == "Writer"


@pytest.mark.parametrize("text", ["", "   ", "a\tb", "a" * 201])
def test_a_name_is_a_word_that_is_not_empty(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(text)
