import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from ledger.errors import Refused
from ledger.strict_json import (
    InvalidJson,
    decode,
    decode_exact,
    decode_stored,
    encode,
    number,
    plain,
)
from ledger.usage import Price

NOT_JSON = {
    "nothing": b"",
    "NaN": b'{"x":NaN}',
    "Infinity": b"[Infinity]",
    "minus Infinity": b"[-Infinity]",
    "a duplicate key": b'{"a":1,"a":2}',
    "a duplicate key far inside": b'[{"b":{"a":1,"a":1}}]',
    "a key that is the same once unescaped": b'{"a":1,"\\u0061":2}',
    "a lone high surrogate": b'["\\ud800"]',
    "a lone low surrogate": b'["\\udc00"]',
    "surrogates in the wrong order": b'["\\udc00\\ud800"]',
    "bytes that are not UTF-8": b'["\xff"]',
    "a surrogate in UTF-8": b'["\xed\xa0\x80"]',
    "a byte order mark": b"\xef\xbb\xbf1",
    "two documents": b"1 2",
    "a trailing comma": b"[1,]",
    "a leading zero": b"01",
    "a comment": b"[1] // one",
    "a control character in a text": b'["\n"]',
    "depth of 10,000": b"[" * 10_000 + b"]" * 10_000,
    "an integer of 5,000 digits": b"1" * 5_000,
}

KEPT = {
    "a fraction with a zero at its end": b"1.10",
    "a number beyond a double": b"1e400",
    "a number below a double": b"1E-400",
    "more digits than a double has": b"0.1234567890123456789012345678901234567890",
    "minus zero": b"-0.0",
    "the smallest integer": b"-9223372036854775808",
    "the largest integer": b"18446744073709551615",
    "an integer that no double holds": b"9007199254740993",
    "the keys of the library's transcoder": b'{"_type_":"uuid_hex","_data_":"0"}',
    "an empty key": b'{"":null}',
    "depth of 200": b"[" * 200 + b"]" * 200,
}


@pytest.mark.parametrize("text", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_two_programs_would_read_differently_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidJson) as refusal:
        decode(text)

    assert str(refusal.value)


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT.keys())
@pytest.mark.parametrize("read", [decode, decode_exact])
def test_a_document_is_written_as_it_was_read(read: Any, text: bytes) -> None:
    assert encode(read(text)) == text


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT.keys())
def test_whatever_was_recorded_can_be_read_again(text: bytes) -> None:
    assert encode(decode_stored(b'{"output":' + text + b"}"))


def test_what_is_deeper_than_a_request_may_be_is_still_read_from_the_store() -> None:
    deep: Any = decode(b"1.10")
    for _ in range(240):
        deep = [deep]

    text = encode({"output": deep})

    assert encode(decode_exact(text)) == text


@pytest.mark.parametrize("read", [decode_stored, decode_exact])
@pytest.mark.parametrize("text", [b"", b"{", b'{"x":NaN}', b"\xff", b"[1e400"])
def test_damaged_bytes_in_the_store_are_not_guessed_at(read: Any, text: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read(text)


def test_a_text_may_hold_a_nul() -> None:
    assert decode(b'"a\\u0000b"') == "a\0b"
    assert encode("a\0b") == b'"a\\u0000b"'


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert decode(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


@pytest.mark.parametrize("integer", [2**64, -(2**63) - 1, 10**4_000])
def test_an_integer_beyond_64_bits_is_refused_with_its_place(integer: int) -> None:
    with pytest.raises(InvalidJson, match=r"the integer at input\.items\[1\]\.n needs more"):
        encode({"input": {"items": [0, {"n": integer}]}})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_float_that_is_no_number_is_refused_with_its_place(value: float) -> None:
    with pytest.raises(InvalidJson, match=r"the number at input\.items\[1\] is not finite"):
        encode({"a": None, "input": {"items": (0.5, value)}})


def test_a_null_beside_finite_numbers_stays_null() -> None:
    assert encode({"a": None, "b": 0.5}) == b'{"a":null,"b":0.5}'


@pytest.mark.parametrize("value", [{1: 2}, {"x": object()}, "\ud800", {1, 2}, b"bytes"])
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(InvalidJson):
        encode(value)


def test_a_refusal_of_json_is_a_refusal_of_the_ledger() -> None:
    with pytest.raises(Refused) as refusal:
        encode(2**64)

    assert refusal.value.code == "invalid_json"


def test_a_decimal_is_written_as_text_without_an_exponent() -> None:
    assert encode(Decimal("1E-9")) == b'"0.000000001"'


def test_a_time_is_written_in_utc_with_six_digits() -> None:
    time = datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1)))

    assert encode(time) == b'"2026-01-31T12:00:00.000000Z"'


def test_a_model_is_written_without_what_it_does_not_know() -> None:
    price = Price(input=Decimal("3.00"), output=Decimal(15), source="table")

    assert encode(price) == b'{"input":"3.00","output":"15","source":"table"}'


def test_an_exact_amount_can_be_written_as_a_number() -> None:
    assert encode({"cost": number(Decimal("1E-7"))}) == b'{"cost":0.0000001}'
    assert encode({"cost": number(None)}) == b'{"cost":null}'


def test_plain_values_have_ordinary_floats_only() -> None:
    assert plain(decode(b'{"a":[1.10,{"b":2}],"c":"1.10"}')) == {"a": [1.1, {"b": 2}], "c": "1.10"}


def test_stored_fractions_become_floats_where_a_float_can_hold_them() -> None:
    stored = decode_stored(b'{"large":1e400,"small":1.10}')

    assert type(stored["small"]) is float
    assert str(stored["large"]) == "1e400"


def test_encoding_agrees_with_the_standard_library() -> None:
    value = {"a": [1, 2.5, None, True, '\N{SNOWMAN}"\\\n'], "": {}}

    assert json.loads(encode(value)) == value
