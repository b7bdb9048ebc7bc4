"""JSON as it is sent: compact UTF-8, and never a value that the server would refuse."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

_encode = json.JSONEncoder(
    ensure_ascii=False, check_circular=True, allow_nan=False, separators=(",", ":")
).encode
_LONG_NUMBER: Final = re.compile(r"\d{19}")
_DEEPEST = 100
_LARGEST = 2**63 - 1


def encode(value: Any) -> str:
    """A value as JSON text.

    Raises:
        TypeError: something in it has no form in JSON.
        ValueError: NaN, infinity, or a value that contains itself.
    """
    return _encode(value)


def encode_anything(value: Any) -> str:
    """Any value as JSON text: what has no form in JSON becomes the nearest thing that has one."""
    try:
        text = _encode(value)
        text.encode()
    except (TypeError, ValueError, RecursionError):
        return _encode(jsonable(value))
    return _encode(jsonable(value)) if _LONG_NUMBER.search(text) else text


def jsonable(value: Any, depth: int = 0) -> Any:
    """The nearest value that JSON holds the same for everybody; `repr` for what has none.

    Args:
        value: anything.
        depth: how many containers it is in; what lies too deep becomes its `repr`.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return int(value) if abs(value) <= _LARGEST else str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(value)
    return _container(value, depth + 1)


def _container(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        return _repr(value)
    if isinstance(value, Mapping):
        return {_key(key): jsonable(each, depth) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(each, depth) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: jsonable(getattr(value, each.name), depth) for each in fields(value)}
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return jsonable(dump(mode="json"), depth)
    return _repr(value)


def _key(key: Any) -> str:
    return str(jsonable(key)) if isinstance(key, str | int | float) else _repr(key)


def _repr(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # a stranger's __repr__ must not end what is observed
        text = object.__repr__(value)
    return text.encode("utf-8", "replace").decode()
