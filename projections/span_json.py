"""Spans as they go over the wire: the rows of the view, with what the log says about them."""

from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, Protocol

import orjson
from sqlalchemy import Connection, select

from ledger.mapper import Recorded
from ledger.strict_json import decode_exact
from ledger.usage import Usage
from projections.amounts import Amount
from projections.execution_tables import payloads
from projections.span_rows import AGENT, LLM, ROOT_SEQUENCE
from projections.times import text_of

Json = dict[str, Any]
Row = Mapping[str, Any]

_TOKENS: Final = tuple(Usage.model_fields)


class Reader(Protocol):
    """What a ledger can do that spans need."""

    def read_execution(
        self, id_: str, after: int = 0, limit: int = ..., until: int | None = None
    ) -> Sequence[Recorded]:
        """Some events of an execution after a version, in order, up to `until` if given."""


def represent(connection: Connection, log: Reader, rows: Sequence[Row]) -> list[Json]:
    """The JSON objects of spans, in the order of the rows.

    Args:
        connection: to the views.
        log: that the spans are a reading of.
        rows: of spans, each with what it needs to know of its execution.
    """
    roots = [row["execution_id"] for row in rows if row["kind"] == AGENT]
    known = _payloads(connection, roots)
    return [
        {**_frame(row), **(_root(row, known) if row["kind"] == AGENT else _call(row, log))}
        for row in rows
    ]


def span_id(execution_id: str, sequence: int = ROOT_SEQUENCE) -> str:
    """The id of a span: 16 hexadecimal characters, the same whenever it is asked for.

    Args:
        execution_id: of the span's execution.
        sequence: of the event that it begins with; 1 for the execution itself.
    """
    return blake2b(f"{execution_id}:{sequence}".encode(), digest_size=8).hexdigest()


def _frame(row: Row) -> Json:
    """What a span has whatever its kind, and the rest as it is where there is none of it."""
    id_ = span_id(row["execution_id"], row["sequence"])
    parent = _parent(row)
    return {
        "id": id_,
        "workspace_id": row["workspace"],
        "trace_id": row["trace_id"],
        "span_id": id_,
        "parent_span_id": parent,
        "parent_id": parent,
        "name": "",
        "kind": row["kind"],
        "status": "ok" if row["failed"] is None else "error",
        "input": None,
        "output": None,
        "attributes": {},
        "token_usage": {},
        **Amount.in_row(row).shown("cost"),
        "duration_ms": row["duration_ms"],
        "error_message": "",
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "total_tokens": row["total_tokens"] or 0,
        "model_name": row["model_name"] or "",
        "agent_id": row["agent_id"],
        "agent_name": row["agent_name"],
        "user_id": row["user_id"] or "",
        "session_id": row["session_id"] or "",
        "execution_id": row["execution_id"],
        "started_at": text_of(row["started_at"]),
        "ended_at": text_of(row["ended_at"]),
        "created_at": text_of(row["created_at"]),
    }


def _parent(row: Row) -> str:
    """Calls hang on their execution, and a child execution on the one that it was created by."""
    if row["kind"] != AGENT:
        return span_id(row["execution_id"])
    return span_id(row["execution_parent_id"]) if row["execution_parent_id"] else ""


def _root(row: Row, known: Mapping[str, Row]) -> Json:
    payload = known.get(row["execution_id"], {})
    return {
        "name": row["agent_name"],
        "input": _fragment(payload.get("input")),
        "output": _fragment(payload.get("output")),
        "attributes": {"execution.status": row["execution_status"]},
        "duration_ms": row["execution_duration_ms"],
        "error_message": row["execution_error"] or "",
        "started_at": text_of(row["execution_started_at"] or row["created_at"]),
        "ended_at": text_of(row["execution_completed_at"]),
    }


def _call(row: Row, log: Reader) -> Json:
    begun = _facts(log, row["execution_id"], row["sequence"])
    if row["kind"] == LLM:
        return _of_model(begun)
    ended = _facts(log, row["execution_id"], row["end_sequence"])
    return _of_tool(begun, ended)


def _of_model(facts: Json) -> Json:
    usage = {name: facts[name] for name in _TOKENS if name in facts}
    provider = facts.get("provider")
    return {
        "name": facts["model"],
        "attributes": {} if provider is None else {"gen_ai.provider.name": provider},
        "token_usage": usage,
        "prompt_tokens": usage["prompt_tokens"],
        "completion_tokens": usage["completion_tokens"],
    }


def _of_tool(begun: Json, ended: Json) -> Json:
    attributes = {"gen_ai.tool.call.id": begun["id"]}
    if ended.get("summary") is not None:
        attributes["summary"] = ended["summary"]
    return {
        "name": begun["name"],
        "input": _object(begun.get("input")),
        "output": _object(ended.get("output")),
        "attributes": attributes,
        "error_message": ended.get("error") or "",
    }


def _object(value: Any) -> Json | None:
    """What went into a tool or came out; as published clients read objects only, in one."""
    if value is None or isinstance(value, dict):
        return value
    return {"value": value}


def _facts(log: Reader, execution_id: str, sequence: int | None) -> Json:
    """The facts of one event; none for an event that has not happened."""
    if sequence is None:
        return {}
    event = log.read_execution(execution_id, sequence - 1, 1, sequence)[0]
    facts: Json = decode_exact(event.payload)
    return facts


def _payloads(connection: Connection, ids: Collection[str]) -> Mapping[str, Row]:
    if not ids:
        return {}
    found = connection.execute(select(payloads).where(payloads.c.execution_id.in_(ids)))
    return {row["execution_id"]: dict(row) for row in found.mappings()}


def _fragment(text: str | None) -> orjson.Fragment | None:
    return None if text is None else orjson.Fragment(text)
