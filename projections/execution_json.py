"""An execution as it goes over the wire."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any, Final

import orjson

from ledger.status import Status
from projections.execution_rows import Row
from projections.money import decimal_text
from projections.times import text_of

Json = dict[str, Any]

PAYLOADS: Final = frozenset({"input", "output", "metadata"})
INCLUSIVE: Final = "inclusive_cost_usd"

FIELDS: Final = (
    "id",
    "execution_id",
    "workspace_id",
    "agent_id",
    "agent_name",
    "agent_version_id",
    "user_id",
    "session_id",
    "parent_execution_id",
    "root_execution_id",
    "trace_id",
    "mode",
    "status",
    "is_terminal",
    "input",
    "output",
    "metadata",
    "error",
    "error_code",
    "token_usage",
    "total_tokens",
    "cost",
    "cost_usd",
    INCLUSIVE,
    "unpriced_tokens",
    "models",
    "duration_ms",
    "worker",
    "attempt",
    "cancellation_requested",
    "approval_id",
    "approval_expires_at",
    "version",
    "created_at",
    "started_at",
    "completed_at",
    "updated_at",
)
"""Every field that can be asked for, in the order in which they are shown."""

_TIMES = ("approval_expires_at", "created_at", "started_at", "completed_at", "updated_at")
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_COUNTS_WHERE_KNOWN = ("cached_tokens", "cache_creation_tokens", "reasoning_tokens")
_AS_THEY_ARE = (
    "id",
    "agent_id",
    "agent_name",
    "agent_version_id",
    "trace_id",
    "mode",
    "status",
    "error_code",
    "total_tokens",
    "cost_usd",
    "unpriced_tokens",
    "duration_ms",
    "worker",
    "attempt",
    "approval_id",
    "version",
)


def represent(row: Row, fields: Collection[str] | None = None) -> Json:
    """The JSON object of an execution, in the order of `FIELDS`.

    Input, output and metadata stand in it as JSON already encoded, exactly as they were recorded.

    Args:
        row: of the view; with payloads and inclusive cost if they are to be shown.
        fields: what to show; None shows everything that the row knows.
    """
    known = {name: row[name] for name in _AS_THEY_ARE}
    known |= {name: text_of(row[name]) for name in _TIMES}
    known |= {name: _encoded(row[name]) for name in PAYLOADS if name in row}
    known |= {
        "execution_id": row["id"],
        "workspace_id": row["workspace"],
        "user_id": row["user_id"] or "",
        "session_id": row["session_id"] or "",
        "parent_execution_id": row["parent_id"],
        "root_execution_id": row["root_id"],
        "is_terminal": Status(row["status"]).is_terminal,
        "error": row["error"] or "",
        "token_usage": _token_usage(row),
        "cost": None if row["cost_usd"] is None else float(row["cost_usd"]),
        "models": orjson.Fragment(row["models"]),
        "cancellation_requested": bool(row["cancellation_requested"]),
    }
    if INCLUSIVE in row:
        inclusive: Decimal | None = row[INCLUSIVE]
        known[INCLUSIVE] = None if inclusive is None else decimal_text(inclusive)
    return {name: known[name] for name in FIELDS if name in known and _is_asked(name, fields)}


def _is_asked(name: str, fields: Collection[str] | None) -> bool:
    return fields is None or name in fields


def _encoded(payload: str | None) -> orjson.Fragment | None:
    return None if payload is None else orjson.Fragment(payload)


def _token_usage(row: Row) -> Json:
    usage = {name: row[name] for name in _COUNTS}
    where_known = {name: row[name] for name in _COUNTS_WHERE_KNOWN if row[name] is not None}
    return usage | where_known
