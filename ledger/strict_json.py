"""JSON that means the same to every reader, or is refused.

What is ambiguous in practice is refused with a reason: duplicate keys, NaN and Infinity, lone
surrogates, integers beyond 64 bits, nesting beyond 200. Fractions keep the digits they came with,
so that what is stored and replayed is what was sent.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import jiter
import orjson
from pydantic import BaseModel

from ledger.clock import format_time

_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


class InvalidJson(ValueError):
    """The bytes are not JSON, or are JSON that two programs would read differently."""


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
    """Read JSON of our own making, fast: floats become floats, nothing is checked again."""
    return orjson.loads(text)


def encode(value: Any) -> bytes:
    """Write JSON on one line, without spaces, numbers as they were read.

    Raises:
        InvalidJson: the value holds an integer beyond 64 bits, or something that is not JSON.
    """
    try:
        return orjson.dumps(value, default=_encode_other, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except (TypeError, ValueError) as error:
        path = next(_beyond_64_bits(value, ""), None)
        if path is not None:
            message = f"the integer at {path} needs more than 64 bits; send it as a string"
            raise InvalidJson(message) from None
        raise InvalidJson(str(error)) from None


def number(amount: Decimal | None) -> Any:
    """An exact decimal as a JSON number, for `encode`; None stays null."""
    return None if amount is None else orjson.Fragment(format(amount, "f"))


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


def _beyond_64_bits(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _beyond_64_bits(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _beyond_64_bits(item, f"{path}[{index}]")
    elif isinstance(value, int) and not _SMALLEST <= value <= _LARGEST:
        yield path or "the top"
