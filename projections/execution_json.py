"""An execution as it goes over the wire: every field, what it is made of, and how."""

from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from ledger.status import Status
from projections.execution_rows import Row
from projections.money import decimal_text
from projections.times import text_of

Json = dict[str, Any]

PAYLOADS: Final = frozenset({"input", "output", "metadata"})
INCLUSIVE: Final = "inclusive_cost_usd"

_TERMINAL = frozenset(str(status) for status in Status if status.is_terminal)
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_COUNTS_WHERE_KNOWN = ("cached_tokens", "cache_creation_tokens", "reasoning_tokens")


class Field(NamedTuple):
    """A field of the object.

    Attributes:
        columns: of the view that it is made of; none for what is looked up beside the row.
        read: makes it of a row.
    """

    columns: tuple[str, ...]
    read: Callable[[Row], Any]


def _plain(column: str) -> Field:
    return Field((column,), itemgetter(column))


def _or_empty(column: str) -> Field:
    return Field((column,), lambda row: row[column] or "")


def _time(column: str) -> Field:
    return Field((column,), lambda row: text_of(row[column]))


def _payload(name: str) -> Field:
    return Field((), lambda row: None if row[name] is None else orjson.Fragment(row[name]))


def _token_usage(row: Row) -> Json:
    usage = {name: row[name] for name in _COUNTS}
    return usage | {name: row[name] for name in _COUNTS_WHERE_KNOWN if row[name] is not None}


def _cost(row: Row) -> float | None:
    return None if row["cost_usd"] is None else float(row["cost_usd"])


def _inclusive_cost(row: Row) -> str | None:
    inclusive: Decimal | None = row[INCLUSIVE]
    return None if inclusive is None else decimal_text(inclusive)


FIELDS: Final[Mapping[str, Field]] = {
    "id": _plain("id"),
    "execution_id": _plain("id"),
    "workspace_id": _plain("workspace"),
    "agent_id": _plain("agent_id"),
    "agent_name": _plain("agent_name"),
    "agent_version_id": _plain("agent_version_id"),
    "user_id": _or_empty("user_id"),
    "session_id": _or_empty("session_id"),
    "parent_execution_id": _plain("parent_id"),
    "root_execution_id": _plain("root_id"),
    "trace_id": _plain("trace_id"),
    "mode": _plain("mode"),
    "status": _plain("status"),
    "is_terminal": Field(("status",), lambda row: row["status"] in _TERMINAL),
    "input": _payload("input"),
    "output": _payload("output"),
    "metadata": _payload("metadata"),
    "error": _or_empty("error"),
    "error_code": _plain("error_code"),
    "token_usage": Field(_COUNTS + _COUNTS_WHERE_KNOWN, _token_usage),
    "total_tokens": _plain("total_tokens"),
    "cost": Field(("cost_usd",), _cost),
    "cost_usd": _plain("cost_usd"),
    INCLUSIVE: Field((), _inclusive_cost),
    "unpriced_tokens": _plain("unpriced_tokens"),
    "models": Field(("models",), lambda row: orjson.Fragment(row["models"])),
    "duration_ms": _plain("duration_ms"),
    "worker": _plain("worker"),
    "attempt": _plain("attempt"),
    "cancellation_requested": Field(
        ("cancellation_requested",), lambda row: bool(row["cancellation_requested"])
    ),
    "approval_id": _plain("approval_id"),
    "approval_expires_at": _time("approval_expires_at"),
    "version": _plain("version"),
    "created_at": _time("created_at"),
    "started_at": _time("started_at"),
    "completed_at": _time("completed_at"),
    "updated_at": _time("updated_at"),
}
"""Every field that can be asked for, in the order in which they are shown."""

_BESIDE_THE_ROW = PAYLOADS | {INCLUSIVE}


def in_order(fields: Collection[str] | None) -> Sequence[str]:
    """The fields that are asked for, all for None, in the order in which they are shown."""
    return [name for name in FIELDS if fields is None or name in fields]


def columns_of(fields: Sequence[str]) -> Sequence[str]:
    """The columns that fields are made of, and the id, by which the rest is looked up."""
    wanted = {"id": None}
    for name in fields:
        wanted |= dict.fromkeys(FIELDS[name].columns)
    return list(wanted)


def represent(row: Row, fields: Sequence[str] = tuple(FIELDS)) -> Json:
    """The JSON object of an execution.

    Input, output and metadata stand in it as JSON already encoded, exactly as they were recorded.

    Args:
        row: of the view. Payloads and inclusive cost are shown if they are in it.
        fields: what to show, in order.
    """
    return {
        name: FIELDS[name].read(row)
        for name in fields
        if name in row or name not in _BESIDE_THE_ROW
    }
