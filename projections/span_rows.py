"""The fold of spans: an execution, its model calls and its tool calls, each with begin and end.

A span is known by its execution and the sequence of the event that it begins with; that of the
execution itself is 1. What a span says stands in the events; here is what spans are found by and
added up. A tool call is open until its end is recorded under the same id; one whose id is used
again before that stays without an end.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple

from sqlalchemy import Connection, MetaData, select, tuple_

from ledger import events as e
from ledger.mapper import Recorded
from projections.amounts import Amount
from projections.changes import Changes
from projections.projection import Identity, Page
from projections.span_tables import metadata, spans
from projections.times import micros_of

Row = dict[str, Any]
Facts = dict[str, Any]
Call = tuple[str, str]  # execution and id of the tool call

AGENT, LLM, TOOL = "agent", "llm", "tool"
ROOT_SEQUENCE = 1


class Open(NamedTuple):
    """A tool call that has not ended."""

    sequence: int
    started_at: int


class _Fold(NamedTuple):
    changes: Changes
    open: dict[Call, Open]


class Spans:
    """Spans by execution, kind and model, and whether they failed."""

    name: ClassVar[str] = "spans"
    version: ClassVar[int] = 1
    metadata: ClassVar[MetaData] = metadata
    topics: ClassVar[frozenset[str] | None] = frozenset(
        event.TOPIC
        for event in (
            e.Created,
            e.ToolStarted,
            e.ToolEnded,
            e.UsageRecorded,
            e.UsageRepriced,
            e.Failed,
        )
    )

    def apply(self, connection: Connection, page: Page) -> None:
        """Fold the page."""
        fold = _Fold(Changes(spans), _open_calls(connection, page.events))
        for event in page.events:
            _FOLLOW[event.topic](fold, event, page.identities[event.id])
        fold.changes.write(connection)


def _open_calls(connection: Connection, events: Sequence[Recorded]) -> dict[Call, Open]:
    """The tool calls of earlier pages that this one may end."""
    begun = {event.id for event in events if event.topic == e.Created.TOPIC}
    calls = {
        (event.id, event.facts["id"])
        for event in events
        if event.topic in _OF_TOOLS and event.id not in begun
    }
    if not calls:
        return {}
    key = (spans.c.execution_id, spans.c.open_call)
    found = connection.execute(
        select(*key, spans.c.sequence, spans.c.started_at).where(tuple_(*key).in_(calls))
    )
    return {(row[0], row[1]): Open(row[2], row[3]) for row in found}


def _created(fold: _Fold, event: Recorded, identity: Identity) -> None:
    fold.changes.insert((event.id, event.version), _row(event, AGENT, identity))


def _failed(fold: _Fold, event: Recorded, _identity: Identity) -> None:
    fold.changes.update((event.id, ROOT_SEQUENCE), failed=True)


def _tool_started(fold: _Fold, event: Recorded, identity: Identity) -> None:
    facts = event.facts
    at, call = _when(event, facts), (event.id, facts["id"])
    before = fold.open.get(call)
    if before is not None:
        fold.changes.update((event.id, before.sequence), open_call=None)
    fold.open[call] = Open(event.version, at)
    row = _row(event, TOOL, identity, started_at=at, open_call=facts["id"])
    fold.changes.insert((event.id, event.version), row)


def _tool_ended(fold: _Fold, event: Recorded, identity: Identity) -> None:
    """An end without a beginning is a span all the same, of no known duration."""
    facts = event.facts
    at = _when(event, facts)
    began = fold.open.pop((event.id, facts["id"]), None)
    if began is None:
        row = _row(event, TOOL, identity, started_at=at)
        fold.changes.insert((event.id, event.version), row)
    fold.changes.update(
        (event.id, event.version if began is None else began.sequence),
        end_sequence=event.version,
        ended_at=at,
        duration_ms=None if began is None else max(0, at - began.started_at) // 1_000,
        failed=True if facts.get("error") is not None else None,
        open_call=None,
    )


def _usage_recorded(fold: _Fold, event: Recorded, identity: Identity) -> None:
    """A model call is recorded when it is over, with the time that it took if that is known."""
    facts = event.facts
    at, duration = _when(event, facts), facts.get("duration_ms")
    row = _row(
        event,
        LLM,
        identity,
        started_at=max(0, at - (duration or 0) * 1_000),
        ended_at=at,
        duration_ms=duration,
        model_name=facts["model"],
        total_tokens=facts.get("total_tokens", 0),
        **Amount.of(facts.get("cost_usd")).columns,
    )
    fold.changes.insert((event.id, event.version), row)


def _usage_repriced(fold: _Fold, event: Recorded, _identity: Identity) -> None:
    facts = event.facts
    amount = Amount.of(facts["cost_usd"])
    fold.changes.update((event.id, facts["sequence"]), **amount.columns)


def _row(event: Recorded, kind: str, identity: Identity, **known: Any) -> Row:
    return {
        **_BLANK,
        "execution_id": event.id,
        "sequence": event.version,
        "workspace": identity.workspace,
        "kind": kind,
        "created_at": identity.created_at,
        **known,
    }


def _when(event: Recorded, facts: Facts) -> int:
    """When it happened if that was said, else when it was recorded."""
    return micros_of(facts.get("occurred_at") or event.at)


_BLANK: Final[Row] = {
    column.name: None for column in spans.columns if column.nullable and not column.primary_key
}
_OF_TOOLS: Final = frozenset({e.ToolStarted.TOPIC, e.ToolEnded.TOPIC})

_FOLLOW: Final[Mapping[str, Callable[[_Fold, Recorded, Identity], None]]] = {
    e.Created.TOPIC: _created,
    e.ToolStarted.TOPIC: _tool_started,
    e.ToolEnded.TOPIC: _tool_ended,
    e.UsageRecorded.TOPIC: _usage_recorded,
    e.UsageRepriced.TOPIC: _usage_repriced,
    e.Failed.TOPIC: _failed,
}
