"""The fold of spans: an execution, its model calls and its tool calls, each with begin and end.

A span is known by its execution and the sequence of the event that it begins with; that of the
execution itself is 1. A tool call is open until its end is recorded under the same id; one whose id
is used again before that stays without an end.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, ClassVar, Final, NamedTuple

from sqlalchemy import Connection, MetaData, select, tuple_

from ledger import events as e
from ledger.mapper import Recorded
from ledger.strict_json import decode_exact, encode
from projections.amounts import Amount
from projections.changes import Changes
from projections.projection import Identity, Page
from projections.span_tables import metadata, spans
from projections.times import micros_of

Row = dict[str, Any]
Facts = dict[str, Any]
Call = tuple[str, str]  # execution and id of the tool call

ROOT_SEQUENCE = 1


class Open(NamedTuple):
    """A tool call that has not ended."""

    sequence: int
    started_at: int


class _Fold(NamedTuple):
    changes: Changes
    open: dict[Call, Open]


class Spans:
    """Spans by trace, execution, agent, session, model, and whether they failed."""

    name: ClassVar[str] = "spans"
    version: ClassVar[int] = 1
    metadata: ClassVar[MetaData] = metadata
    topics: ClassVar[frozenset[str] | None] = frozenset(
        event.TOPIC
        for event in (
            e.Created,
            e.Started,
            e.ToolStarted,
            e.ToolEnded,
            e.UsageRecorded,
            e.Completed,
            e.Failed,
            e.Cancelled,
            e.Rejected,
            e.ApprovalExpired,
        )
    )

    def apply(self, connection: Connection, page: Page) -> None:
        """Fold the page."""
        told = [
            (event, decode_exact(event.payload) if event.topic in _WITH_PAYLOAD else event.facts)
            for event in page.events
            if event.topic in _FOLLOW
        ]
        fold = _Fold(Changes(spans), _open_calls(connection, told))
        for event, facts in told:
            at = micros_of(facts.get("occurred_at") or event.at)
            _FOLLOW[event.topic](fold, event, facts, page.identities[event.id], at)
        fold.changes.write(connection)


def span_id(execution_id: str, sequence: int = ROOT_SEQUENCE) -> str:
    """The id of a span: 16 hexadecimal characters, the same whenever it is asked for."""
    return blake2b(f"{execution_id}:{sequence}".encode(), digest_size=8).hexdigest()


def _open_calls(connection: Connection, told: Sequence[tuple[Recorded, Facts]]) -> dict[Call, Open]:
    """The tool calls of earlier pages that this one may end."""
    begun = {event.id for event, _ in told if event.topic == e.Created.TOPIC}
    calls = {
        (event.id, facts["id"])
        for event, facts in told
        if event.topic in _OF_TOOLS and event.id not in begun
    }
    if not calls:
        return {}
    key = (spans.c.execution_id, spans.c.open_call)
    found = connection.execute(
        select(*key, spans.c.sequence, spans.c.started_at).where(tuple_(*key).in_(calls))
    )
    return {(row[0], row[1]): Open(row[2], row[3]) for row in found}


def _created(fold: _Fold, event: Recorded, facts: Facts, identity: Identity, at: int) -> None:
    parent = identity.parent_execution_id
    row = _begun(event, identity, "agent", identity.agent_name, at) | {
        "parent_id": span_id(parent) if parent else "",
        "input": _text(facts["input"]),
    }
    fold.changes.insert((event.id, event.version), row)


def _started(fold: _Fold, event: Recorded, facts: Facts, _identity: Identity, at: int) -> None:
    """The first start only: later ones are after a lost worker or an approval."""
    if facts["attempt"] == 1 and facts["previous"] == "pending":
        fold.changes.update((event.id, ROOT_SEQUENCE), started_at=at)


def _ended(fold: _Fold, event: Recorded, facts: Facts, _identity: Identity, at: int) -> None:
    output = facts.get("output")
    fold.changes.update(
        (event.id, ROOT_SEQUENCE),
        ended_at=at,
        duration_ms=facts.get("duration_ms"),
        error_message=facts["error"] if event.topic == e.Failed.TOPIC else None,
        attributes=_text({"execution.status": facts["status"]}),
        output=None if output is None else _text(output),
    )


def _tool_started(fold: _Fold, event: Recorded, facts: Facts, identity: Identity, at: int) -> None:
    call = event.id, facts["id"]
    before = fold.open.get(call)
    if before is not None:
        fold.changes.update((event.id, before.sequence), open_call=None)
    fold.open[call] = Open(event.version, at)
    row = _begun(event, identity, "tool", facts["name"], at) | {
        "attributes": _text(_of_call(facts)),
        "open_call": facts["id"],
        "input": _object(facts.get("input")),
    }
    fold.changes.insert((event.id, event.version), row)


def _tool_ended(fold: _Fold, event: Recorded, facts: Facts, identity: Identity, at: int) -> None:
    """An end without a beginning is a span all the same, of no known duration."""
    began = fold.open.pop((event.id, facts["id"]), None)
    if began is None:
        key = event.id, event.version
        fold.changes.insert(key, _begun(event, identity, "tool", facts["name"], at))
    else:
        key = event.id, began.sequence
    fold.changes.update(
        key,
        ended_at=at,
        duration_ms=None if began is None else max(0, at - began.started_at) // 1_000,
        error_message=facts.get("error"),
        attributes=_text(_of_call(facts)),
        open_call=None,
        output=_object(facts.get("output")),
    )


def _usage_recorded(
    fold: _Fold, event: Recorded, facts: Facts, identity: Identity, at: int
) -> None:
    """A model call is recorded when it is over, with the time that it took if that is known."""
    duration = facts.get("duration_ms")
    provider = facts.get("provider")
    row = _begun(event, identity, "llm", facts["model"], at) | {
        "model_name": facts["model"],
        "started_at": max(0, at - (duration or 0) * 1_000),
        "ended_at": at,
        "duration_ms": duration,
        "total_tokens": facts.get("total_tokens", 0),
        "token_usage": _text({name: facts[name] for name in _TOKENS if name in facts}),
        "attributes": _text({"gen_ai.provider.name": provider}) if provider else None,
        **Amount.of(facts.get("cost_usd")).columns,
    }
    fold.changes.insert((event.id, event.version), row)


def _begun(event: Recorded, identity: Identity, kind: str, name: str, at: int) -> Row:
    return _BLANK | {
        "id": span_id(event.id, event.version),
        "parent_id": span_id(event.id),
        "workspace": identity.workspace,
        "trace_id": identity.trace_id,
        "kind": kind,
        "name": name,
        "agent_id": identity.agent_id,
        "agent_name": identity.agent_name,
        "user_id": identity.user_id,
        "session_id": identity.session_id or None,
        "started_at": at,
        "created_at": at,
    }


def _of_call(facts: Facts) -> Facts:
    summary = facts.get("summary")
    known = {"gen_ai.tool.call.id": facts["id"]}
    return known if summary is None else known | {"summary": summary}


def _object(value: Any) -> str | None:
    """JSON text of what went into a tool or came out; published clients can read objects only."""
    if value is None:
        return None
    return _text(value if isinstance(value, dict) else {"value": value})


def _text(value: Any) -> str:
    return encode(value).decode()


_BLANK: Final[Row] = {
    column.name: None for column in spans.columns if column.nullable and not column.primary_key
}
_TOKENS: Final = tuple(e.Usage.model_fields)
_OF_TOOLS: Final = frozenset({e.ToolStarted.TOPIC, e.ToolEnded.TOPIC})
_WITH_PAYLOAD: Final = _OF_TOOLS | {e.Created.TOPIC, e.Completed.TOPIC}

_FOLLOW: Final[Mapping[str, Callable[[_Fold, Recorded, Facts, Identity, int], None]]] = {
    e.Created.TOPIC: _created,
    e.Started.TOPIC: _started,
    e.ToolStarted.TOPIC: _tool_started,
    e.ToolEnded.TOPIC: _tool_ended,
    e.UsageRecorded.TOPIC: _usage_recorded,
    e.Completed.TOPIC: _ended,
    e.Failed.TOPIC: _ended,
    e.Cancelled.TOPIC: _ended,
    e.Rejected.TOPIC: _ended,
    e.ApprovalExpired.TOPIC: _ended,
}
