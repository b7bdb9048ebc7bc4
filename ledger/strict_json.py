"""JSON that means the same to every reader, or is refused.

What is ambiguous in practice is refused with a reason: duplicate keys, NaN and Infinity, lone
surrogates, integers beyond 64 bits, nesting beyond 200. Fractions keep the digits they came with,
so that what is stored and replayed is what was sent. Whatever `encode` wrote can be read again.
"""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import Any, Never

import jiter
import orjson
from pydantic import BaseModel

from ledger.clock import format_time
from ledger.errors import Refused

_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
_NEVER_INFINITE = frozenset({str, int, bool, type(None)})


class InvalidJson(Refused, ValueError):
    """The bytes are not JSON, or are JSON that two programs would read differently."""

    code = "invalid_json"


def decode(text: bytes | bytearray | memoryview) -> Any:
    """Read one JSON document strictly.

    Raises:
        InvalidJson: with the line and column, or the path of the number, in words for the sender.
    """
    try:
        value = jiter.from_json(
            bytes(text),
            allow_inf_nan=False,
            catch_duplicate_keys=True,
            float_mode="lossless-float",
        )
    except ValueError as error:
        raise InvalidJson(str(error)) from None
    return value


def decode_stored(text: bytes) -> Any:
    """Read JSON of our own making, fast: fractions become floats, where a float can hold them.

    Raises:
        ValueError: the bytes are damaged.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text, parse_float=_float_or_lossless, parse_constant=_no_constant)


def decode_exact(text: bytes) -> Any:
    """Read JSON of our own making with the digits of every number.

    Raises:
        ValueError: the bytes are damaged.
    """
    try:
        return jiter.from_json(text, allow_inf_nan=False, float_mode="lossless-float")
    except ValueError:  # deeper than what comes from outside may be
        return json.loads(text, parse_float=_lossless, parse_constant=_no_constant)


def encode(value: Any) -> bytes:
    """Write JSON on one line, without spaces, numbers as they were read.

    Raises:
        InvalidJson: the value holds an integer beyond 64 bits, NaN, an infinity, or something
            that is not JSON.
    """
    try:
        text = orjson.dumps(value, default=_encode_other, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except (TypeError, ValueError) as error:
        path = next(_places(value, _is_beyond_64_bits), None)
        if path is not None:
            message = f"the integer at {path} needs more than 64 bits; send it as a string"
            raise InvalidJson(message) from None
        raise InvalidJson(str(error)) from None
    if b"null" in text and _holds_infinite(value):  # orjson writes null where it finds one
        message = f"the number at {next(_places(value, _is_infinite))} is not finite"
        raise InvalidJson(message)
    return text


def number(amount: Decimal | None) -> Any:
    """An exact decimal as a JSON number, for `encode`; None stays null."""
    return None if amount is None else orjson.Fragment(format(amount, "f"))


def written(text: bytes) -> Any:
    """JSON that is text already, as a value for `encode`, which does not look into it."""
    return orjson.Fragment(text)


def plain(value: Any) -> Any:
    """The same value with ordinary floats, for libraries that know no others."""
    if isinstance(value, jiter.LosslessFloat):
        return float(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def _encode_other(value: Any) -> Any:
    if isinstance(value, jiter.LosslessFloat):
        return orjson.Fragment(bytes(value))
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, BaseModel):
        return {name: item for name, item in value if item is not None}
    message = f"{type(value).__name__} is not JSON"
    raise TypeError(message)


def _lossless(digits: str) -> jiter.LosslessFloat:
    return jiter.LosslessFloat(digits.encode())


def _float_or_lossless(digits: str) -> Any:
    number = float(digits)
    return number if isfinite(number) else _lossless(digits)


def _no_constant(name: str) -> Never:
    message = f"{name} is not JSON"
    raise ValueError(message)


def _places(value: Any, wrong: Callable[[Any], bool], path: str = "") -> Iterator[str]:
    """The paths of the numbers that are wrong."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _places(item, wrong, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _places(item, wrong, f"{path}[{index}]")
    elif wrong(value):
        yield path or "the top"


def _is_beyond_64_bits(value: Any) -> bool:
    return isinstance(value, int) and not _SMALLEST <= value <= _LARGEST


def _is_infinite(value: Any) -> bool:
    return isinstance(value, float) and not isfinite(value)


def _holds_infinite(value: Any) -> bool:
    """Whether there is NaN or an infinity inside; a loop, because answers pass here too."""
    left = [value]
    while left:
        item = left.pop()
        if type(item) in _NEVER_INFINITE:
            continue
        if isinstance(item, dict):
            left.extend(item.values())
        elif isinstance(item, list | tuple):
            left.extend(item)
        elif _is_infinite(item):
            return True
    return False
