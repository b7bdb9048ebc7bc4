"""The fold of one execution: from its events to the row that lists and details show.

Pure, so that the same rows come out for a page of the log, for one execution alone, and for an
execution as it was after its event N. Frames only count: none is decoded.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Any, Final

from ledger import events as e
from ledger.exact import EXACT
from ledger.mapper import EVENTS, Recorded
from ledger.strict_json import decode_exact, encode
from projections import money
from projections.times import micros_of

Row = dict[str, Any]
"""The columns of `executions`, and `input`, `output`, `metadata` as JSON text where known."""

Facts = Mapping[str, Any]

TOPICS: Final = frozenset(
    topic for topic in EVENTS if topic.startswith(e.Created.TOPIC.split(".")[0] + ".")
)
"""Every fact about an execution."""


class NoSuchExecution(ValueError):
    """An event of an execution whose creation is not in the view."""


def fold(events: Iterable[Recorded], last: Recorded | None = None) -> Row:
    """The row of one execution after its events.

    Args:
        events: from the first on; frames may be left out.
        last: the event after which the row is wanted, if it is not the last of `events`.
    """
    row: Row | None = None
    final = last
    for event in events:
        row = change(row, event)
        final = last or event
    if row is None or final is None:
        message = "an execution begins with an event"
        raise NoSuchExecution(message)
    return touch(row, final)


def change(row: Row | None, event: Recorded) -> Row:
    """The row after a fact, but for version and time of change; frames change nothing.

    Raises:
        NoSuchExecution: there is no row, and the event is not the first.
    """
    if event.topic == e.Created.TOPIC:
        return _created(event)
    if row is None:
        message = f"event {event.version} of {event.id!r}, of which the creation is missing"
        raise NoSuchExecution(message)
    changes = CHANGES.get(event.topic)
    return row if changes is None else row | changes(row, event)


def touch(row: Row, last: Recorded) -> Row:
    """The row with the version and time of its last event."""
    return row | {"version": last.version, "updated_at": micros_of(last.at)}


def _created(event: Recorded) -> Row:
    facts = decode_exact(event.payload)
    return {
        "id": event.id,
        "workspace": event.envelope["workspace"],
        "agent_id": facts["agent_id"],
        "agent_name": facts["agent_name"],
        "agent_version_id": facts["agent_version_id"],
        "user_id": facts["user_id"] or None,
        "session_id": facts["session_id"] or None,
        "parent_id": facts.get("parent_execution_id"),
        "root_id": facts["root_execution_id"],
        "trace_id": facts["trace_id"],
        "mode": facts["mode"],
        "status": facts["status"],
        "created_at": _when(facts, event),
        "input": encode(facts["input"]).decode(),
        "output": None,
        "metadata": encode(facts["metadata"]).decode(),
        **_UNTOUCHED,
    }


_UNTOUCHED: Final[Row] = {
    "error": None,
    "error_code": None,
    "cost": None,
    "cost_usd": None,
    "unpriced_tokens": 0,
    "prompt_tokens": 0,
    "completion_tokens": 0,
    "total_tokens": 0,
    "cached_tokens": None,
    "cache_creation_tokens": None,
    "reasoning_tokens": None,
    "models": "[]",
    "worker": None,
    "attempt": 0,
    "cancellation_requested": False,
    "approval_id": None,
    "approval_expires_at": None,
    "started_at": None,
    "completed_at": None,
    "duration_ms": None,
}


def _started(row: Row, event: Recorded) -> Row:
    facts = event.facts
    return {
        "status": facts["status"],
        "worker": facts["worker"],
        "attempt": facts["attempt"],
        "started_at": row["started_at"] or _when(facts, event),
    }


def _usage_recorded(row: Row, event: Recorded) -> Row:
    facts = event.facts
    changed: Row = {"models": _with_model(row["models"], facts["model"])}
    for name in _COUNTED:
        changed[name] = row[name] + facts.get(name, 0)
    for name in _COUNTED_WHERE_KNOWN:
        if name in facts:
            changed[name] = money.add(row[name], facts[name])
    cost = facts.get("cost_usd")
    if cost is None:
        changed["unpriced_tokens"] = row["unpriced_tokens"] + facts.get("total_tokens", 0)
    else:
        exact = Decimal(cost)
        changed["cost"] = money.add(row["cost"], money.nanos_of(exact))
        changed["cost_usd"] = money.decimal_text(Decimal(row["cost_usd"] or 0) + exact)
    return changed


def _usage_repriced(row: Row, event: Recorded) -> Row:
    """The difference that it makes; what was unknown is known now."""
    facts = event.facts
    cost, before = Decimal(facts["cost_usd"]), facts.get("previous_cost_usd")
    unpriced = row["unpriced_tokens"] - (facts["total_tokens"] if before is None else 0)
    nanos = (money.nanos_of(cost) or 0) - (money.nanos_of(before) or 0)
    with localcontext(EXACT):
        exact = Decimal(row["cost_usd"] or 0) + cost - Decimal(before or 0)
    return {
        "unpriced_tokens": unpriced,
        "cost": money.add(row["cost"], nanos),
        "cost_usd": money.decimal_text(exact),
    }


_COUNTED = ("prompt_tokens", "completion_tokens", "total_tokens")
_COUNTED_WHERE_KNOWN = ("cached_tokens", "cache_creation_tokens", "reasoning_tokens")


@lru_cache(maxsize=1024)
def _with_model(models: str, model: str) -> str:
    known = decode_exact(models.encode())
    return models if model in known else encode([*known, model]).decode()


def _approval_requested(row: Row, event: Recorded) -> Row:
    return {"status": event.facts["status"], **_approval_superseded(row, event)}


def _approval_superseded(_row: Row, event: Recorded) -> Row:
    facts = event.facts
    expires_at = facts.get("expires_at")
    return {
        "approval_id": facts["approval_id"],
        "approval_expires_at": None if expires_at is None else micros_of(expires_at),
    }


def _decided(_row: Row, event: Recorded) -> Row:
    return {"status": event.facts["status"], **_NOT_PARKED}


def _worker_lost(_row: Row, event: Recorded) -> Row:
    return {"status": event.facts["status"]}


def _cancellation_requested(_row: Row, _event: Recorded) -> Row:
    return {"cancellation_requested": True}


def _completed(_row: Row, event: Recorded) -> Row:
    facts = decode_exact(event.payload)
    return {**_end(facts, event), "output": encode(facts["output"]).decode()}


def _failed(_row: Row, event: Recorded) -> Row:
    facts = event.facts
    return {**_end(facts, event), "error": facts["error"], "error_code": facts["error_code"]}


def _ended(_row: Row, event: Recorded) -> Row:
    return _end(event.facts, event)


def _annotated(row: Row, event: Recorded) -> Row:
    merged = decode_exact(row["metadata"].encode()) | decode_exact(event.payload)["metadata"]
    return {"metadata": encode(merged).decode()}


def _end(facts: Facts, event: Recorded) -> Row:
    return {
        "status": facts["status"],
        "completed_at": _when(facts, event),
        "duration_ms": facts.get("duration_ms"),
        **_NOT_PARKED,
    }


_NOT_PARKED: Final[Row] = {"approval_id": None, "approval_expires_at": None}


def _when(facts: Facts, event: Recorded) -> int:
    """When it happened if that was said, else when it was recorded."""
    return micros_of(facts.get("occurred_at") or event.at)


CHANGES: Final[Mapping[str, Callable[[Row, Recorded], Row]]] = {
    e.Started.TOPIC: _started,
    e.UsageRecorded.TOPIC: _usage_recorded,
    e.UsageRepriced.TOPIC: _usage_repriced,
    e.ApprovalRequested.TOPIC: _approval_requested,
    e.ApprovalSuperseded.TOPIC: _approval_superseded,
    e.Approved.TOPIC: _decided,
    e.Denied.TOPIC: _decided,
    e.Rejected.TOPIC: _ended,
    e.ApprovalExpired.TOPIC: _ended,
    e.CancellationRequested.TOPIC: _cancellation_requested,
    e.Cancelled.TOPIC: _ended,
    e.WorkerLost.TOPIC: _worker_lost,
    e.Completed.TOPIC: _completed,
    e.Failed.TOPIC: _failed,
    e.Annotated.TOPIC: _annotated,
}
"""What a fact changes in the row of its execution; every other fact only counts."""
