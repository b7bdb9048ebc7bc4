"""JSON Schema 2020-12: whether a version's schema is one, and where an input departs from it.

The validator's regular expressions run in Rust with bounded backtracking, so a hostile pattern
cannot hold the writer; references are resolved inside the schema only, never over the network.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import jsonschema_rs

from ledger.errors import InvalidInput, InvalidSchema
from ledger.strict_json import decode_stored, encode, plain

_MOST_VIOLATIONS = 20
_LONGEST_MESSAGE = 500


def check_schema(schema: dict[str, Any], name: str) -> None:
    """Refuse what is not a JSON Schema.

    Raises:
        InvalidSchema: names the field of the version (`name`) and what is wrong.
    """
    try:
        _validator(encode(schema))
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        message = f"{name} is not a JSON Schema (2020-12): {_first_line(error)}"
        raise InvalidSchema(message, field=name) from None


def check_input(schema: dict[str, Any], value: Any) -> None:
    """Refuse an input that does not satisfy the schema.

    Raises:
        InvalidInput: with the path and the reason of each violation, at most 20.
    """
    if not schema:
        return
    violations = []
    for error in _validator(encode(schema)).iter_errors(plain(value)):
        message = _shortened(error.message)  # it quotes the value, however large
        violations.append({"path": _path(error.instance_path), "message": message})
        if len(violations) == _MOST_VIOLATIONS:
            break
    if violations:
        raise InvalidInput(violations)


def _path(steps: Iterable[str | int]) -> str:
    return "input" + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps)


@lru_cache(maxsize=1024)
def _validator(schema: bytes) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        plain(decode_stored(schema)),
        retriever=_nothing_from_outside,
        pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000),
    )


def _nothing_from_outside(uri: str) -> Any:
    message = f"{uri} is outside the schema; references must stay within it"
    raise ValueError(message)


def _shortened(message: str) -> str:
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}…"


def _first_line(error: Exception) -> str:
    return _shortened(str(error).splitlines()[0])
