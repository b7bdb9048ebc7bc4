"""An execution as it goes over the wire: every field, what it is made of, and how."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from ledger.status import Status
from projections.execution_rows import Row
from projections.times import text_of

Json = dict[str, Any]

Columns = Mapping[str, Sequence[Any]]
"""Rows the other way round: by column, its value in each of them. They are shown faster like so."""

PAYLOADS: Final = frozenset({"input", "output", "metadata"})
INCLUSIVE: Final = "inclusive_cost_usd"
BESIDE_THE_ROW: Final = PAYLOADS | {INCLUSIVE}
"""Fields that are looked up by id."""

_TERMINAL = frozenset(str(status) for status in Status if status.is_terminal)
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_COUNTS_WHERE_KNOWN = ("cached_tokens", "cache_creation_tokens", "reasoning_tokens")


class Field(NamedTuple):
    """A field of the object.

    Attributes:
        columns: of the view that it is made of; none for what is looked up beside the rows.
        read: makes it of rows, for each of them.
    """

    columns: tuple[str, ...]
    read: Callable[[Columns], Iterable[Any]]


def _plain(column: str) -> Field:
    return Field((column,), itemgetter(column))


def _made(column: str, make: Callable[[Any], Any]) -> Field:
    return Field((column,), lambda rows: map(make, rows[column]))


def _where_set(column: str, make: Callable[[Any], Any]) -> Field:
    return Field(
        (column,), lambda rows: [None if value is None else make(value) for value in rows[column]]
    )


def _or_empty(column: str) -> Field:
    return Field((column,), lambda rows: [value or "" for value in rows[column]])


def _beside(field: Field) -> Field:
    return field._replace(columns=())


def _token_usage(rows: Columns) -> Iterable[Json]:
    usages = [
        {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
        for prompt, completion, total in zip(*(rows[name] for name in _COUNTS), strict=True)
    ]
    for name in _COUNTS_WHERE_KNOWN:
        for usage, count in zip(usages, rows[name], strict=True):
            if count is not None:
                usage[name] = count
    return usages


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
    "is_terminal": _made("status", _TERMINAL.__contains__),
    "input": _beside(_where_set("input", orjson.Fragment)),
    "output": _beside(_where_set("output", orjson.Fragment)),
    "metadata": _beside(_where_set("metadata", orjson.Fragment)),
    "error": _or_empty("error"),
    "error_code": _plain("error_code"),
    "token_usage": Field(_COUNTS + _COUNTS_WHERE_KNOWN, _token_usage),
    "total_tokens": _plain("total_tokens"),
    "cost": _where_set("cost_usd", float),
    "cost_usd": _plain("cost_usd"),
    INCLUSIVE: _beside(_plain(INCLUSIVE)),
    "unpriced_tokens": _plain("unpriced_tokens"),
    "models": _made("models", orjson.Fragment),
    "duration_ms": _plain("duration_ms"),
    "worker": _plain("worker"),
    "attempt": _plain("attempt"),
    "cancellation_requested": _made("cancellation_requested", bool),
    "approval_id": _plain("approval_id"),
    "approval_expires_at": _made("approval_expires_at", text_of),
    "version": _plain("version"),
    "created_at": _made("created_at", text_of),
    "started_at": _made("started_at", text_of),
    "completed_at": _made("completed_at", text_of),
    "updated_at": _made("updated_at", text_of),
}
"""Every field that can be asked for, in the order in which they are shown."""


def in_order(fields: Collection[str] | None) -> Sequence[str]:
    """The fields that are asked for, all for None, in the order in which they are shown."""
    return [name for name in FIELDS if fields is None or name in fields]


def columns_of(fields: Sequence[str]) -> Sequence[str]:
    """The columns that fields are made of, and the id, by which the rest is looked up."""
    wanted = {"id": None}
    for name in fields:
        wanted |= dict.fromkeys(FIELDS[name].columns)
    return list(wanted)


def represent(row: Row) -> Json:
    """The JSON object of an execution, from its row."""
    return represent_all({name: (value,) for name, value in row.items()})[0]


def by_column(columns: Sequence[str], rows: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """Rows the other way round."""
    if not rows:
        return dict.fromkeys(columns, ())
    return dict(zip(columns, zip(*rows, strict=True), strict=True))


def represent_all(rows: Columns, fields: Sequence[str] = tuple(FIELDS)) -> list[Json]:
    """The JSON objects of executions.

    Input, output and metadata stand in them as JSON already encoded, exactly as they were recorded.

    Args:
        rows: of the view. Payloads and inclusive costs are shown if they are in them.
        fields: what to show, in order.
    """
    shown = [name for name in fields if name in rows or name not in BESIDE_THE_ROW]
    if not shown:
        return [{} for _ in rows["id"]]
    values = zip(*(FIELDS[name].read(rows) for name in shown), strict=True)
    unfilled = dict.fromkeys(shown)  # has its size at once
    items = []
    for each in values:
        item: Json = unfilled.copy()
        item.update(zip(shown, each, strict=True))
        items.append(item)
    return items
