"""Recorded events as server-sent events: pure, so that live and replay cannot differ.

One event is at most one frame, and the frame's id is the event's place in its execution. What the
agent streamed is copied byte for byte; the frames of the lifecycle are made from facts that the
event itself holds.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from ledger import events as e
from ledger.mapper import AT, Recorded
from ledger.status import Status
from ledger.strict_json import encode, number

PREAMBLE: Final = b"retry: 2000\n\n"
HEARTBEAT: Final = b": heartbeat\n\n"

Json = dict[str, Any]
ENDINGS: Final = frozenset(
    ending.TOPIC for ending in (e.Completed, e.Failed, e.Cancelled, e.Rejected, e.ApprovalExpired)
)
"""The topics whose frame is the last of its execution."""

_COPIED: Final[Mapping[str, bytes]] = {
    e.Thought.TOPIC: b"thinking",
    e.ToolStarted.TOPIC: b"tool_start",
    e.ToolEnded.TOPIC: b"tool_end",
    e.ContentStreamed.TOPIC: b"content",
    e.UsageRecorded.TOPIC: b"usage",
}


_FRAME: Final = b'event: %b\nid: %d\ndata: {"sequence":%d,"at":"%b",%b\n\n'


class Frames(NamedTuple):
    """Frames ready to be sent.

    Attributes:
        bytes: of whole frames, one after the other.
        last: sequence of the last event looked at, whether it has a frame or not.
        ended: whether the last frame ends the stream.
    """

    bytes: bytes
    last: int
    ended: bool


def frame_of(recorded: Recorded) -> bytes:
    """The frame of one event; empty for an event that has none."""
    _, _, version, topic, state = recorded
    name = _COPIED.get(topic)
    if name is not None:
        return _FRAME % (name, version, version, state[AT], state[state.index(b"\n") + 2 :])
    make = _MADE.get(topic)
    if make is None:
        return b""
    made, data = make(recorded, recorded.facts)
    return _FRAME % (made, version, version, state[AT], encode(data)[1:])


def frames_of(events: Iterable[Recorded], after: int) -> Frames:
    """The frames of consecutive events, up to one that ends the stream."""
    frames: list[bytes] = []
    last = after
    for recorded in events:
        frames.append(frame_of(recorded))
        last = recorded.version
        if recorded.topic in ENDINGS:
            return Frames(b"".join(frames), last, ended=True)
    return Frames(b"".join(frames), last, ended=False)


def _execution(recorded: Recorded, facts: Json) -> tuple[bytes, Json]:
    return b"execution", {"execution_id": recorded.id, "status": facts["status"]}


def _status(recorded: Recorded, facts: Json) -> tuple[bytes, Json]:
    data = {
        "status": facts["status"],
        "previous": facts["previous"],
        "actor": recorded.envelope["actor"],
    }
    for name in ("worker", "attempt", "approval_id", "reason"):
        if name in facts:
            data[name] = facts[name]
    return b"status", data


def _approval(recorded: Recorded, facts: Json) -> tuple[bytes, Json]:
    data = {
        "id": facts["approval_id"],
        "execution_id": recorded.id,
        "workspace_id": recorded.envelope["workspace"],
        "checkpoint_name": facts["checkpoint_name"],
        "payload": facts["payload"],
        "payload_digest": facts["payload_digest"],
        "status": "pending",
        "expires_at": facts.get("expires_at"),
        "created_at": recorded.at,
        "execution_status": facts.get("status", Status.AWAITING_APPROVAL),
        "previous": facts.get("previous", Status.AWAITING_APPROVAL),
    }
    for name in ("required_role", "not_requester", "on_reject"):
        if name in facts:
            data[name] = facts[name]
    return b"approval", data


def _superseding(recorded: Recorded, facts: Json) -> tuple[bytes, Json]:
    """The edited request, with all that the frame of the first one has; the run waits as before."""
    name, data = _approval(recorded, facts)
    data |= {"supersedes": facts["supersedes"], "requested_by": recorded.envelope["actor"]["id"]}
    if "reason" in facts:
        data["reason"] = facts["reason"]
    return name, data


def _done(_: Recorded, facts: Json) -> tuple[bytes, Json]:
    return b"done", {"output": facts["output"], **_ending(facts)}


def _error(message: str) -> Callable[[Recorded, Json], tuple[bytes, Json]]:
    def make(recorded: Recorded, facts: Json) -> tuple[bytes, Json]:
        said = facts.get("error") or facts.get("reason") or message
        data = {"message": said, "error_code": facts.get("error_code", "")}
        if "reason" in facts or "approval_id" in facts:
            data["actor"] = recorded.envelope["actor"]
        return b"error", {**data, **_ending(facts)}

    return make


def _ending(facts: Json) -> Json:
    totals = facts["totals"]
    cost = totals.get("cost_usd")
    return {
        "status": facts["status"],
        "previous": facts["previous"],
        "token_usage": totals["token_usage"],
        "cost": number(None if cost is None else Decimal(cost)),
        "cost_usd": cost,
        "unpriced_tokens": totals["unpriced_tokens"],
        "duration_ms": facts.get("duration_ms"),
    }


_MADE: Final[Mapping[str, Callable[[Recorded, Json], tuple[bytes, Json]]]] = {
    e.Created.TOPIC: _execution,
    e.Started.TOPIC: _status,
    e.Approved.TOPIC: _status,
    e.WorkerLost.TOPIC: _status,
    e.Denied.TOPIC: _status,
    e.ApprovalRequested.TOPIC: _approval,
    e.ApprovalSuperseded.TOPIC: _superseding,
    e.Completed.TOPIC: _done,
    e.Failed.TOPIC: _error("the execution failed"),
    e.Cancelled.TOPIC: _error("the execution was cancelled"),
    e.Rejected.TOPIC: _error("the execution was rejected"),
    e.ApprovalExpired.TOPIC: _error("nobody decided on the approval in time"),
}
