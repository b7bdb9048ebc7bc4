"""Executions in every status, made by the aggregate itself: what ledger tests start from."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from eventsourcing.domain import BaseAggregate

from ledger import events as e
from ledger.event import Actor, EncodedEvent, Event, Stamp
from ledger.events import EncodedFrame
from ledger.execution import Execution
from ledger.mapper import EVENTS
from ledger.status import Status
from ledger.strict_json import encode
from ledger.usage import PriceUsed

NOON: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
ACTOR: Final = Actor(type="user", id="key-1", auth="api_key", name="Ada")
STAMP: Final = Stamp("acme", ACTOR, NOON, "request-1")
TRACE_ID: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
EXECUTION_ID: Final = "0ujtsYcgvSTl8PAuAdqWYSMnLOv"
APPROVAL_ID: Final = "0ujsswThIGTUYm2K8FjOOfXtY1K"
EDIT_ID: Final = "0ujzPyRiIAffKhBux4PvQdDqMHY"


def later(seconds: float) -> Stamp:
    """The same caller, some seconds after noon."""
    return STAMP._replace(at=NOON + timedelta(seconds=seconds))


def recorded(aggregate: BaseAggregate[str]) -> list[type[Event]]:
    """What an act recorded, in order."""
    pending: Iterable[Any] = aggregate.pending_events
    return [
        EVENTS[event.topic] if isinstance(event, EncodedEvent) else type(event) for event in pending
    ]


def newest(aggregate: BaseAggregate[str]) -> Any:
    """The last event that an act recorded."""
    return aggregate.pending_events[-1]


def frame(event: type[e.Frame], **facts: Any) -> EncodedFrame:
    """A frame as the ledger takes it."""
    return EncodedFrame(event, encode(facts))


def approval(**facts: Any) -> dict[str, Any]:
    """The facts of a request for approval."""
    request = {
        "approval_id": APPROVAL_ID,
        "checkpoint_name": "deploy",
        "payload": {"to": "production"},
        "payload_digest": "sha256:0",
    }
    return request | facts


def repricing(**facts: Any) -> dict[str, Any]:
    """The facts of a new price for a model call of 10 tokens that nobody had a price for."""
    given = {
        "sequence": 3,
        "model": "m",
        "total_tokens": 10,
        "spent_at": NOON,
        "cost_usd": Decimal("0.25"),
        "price": PriceUsed(source="workspace"),
        "reason": "as agreed",
    }
    return given | facts


def edit(**facts: Any) -> dict[str, Any]:
    """The facts of an edited request."""
    request = {"approval_id": EDIT_ID, "payload": {"to": "staging"}, "payload_digest": "sha256:1"}
    return request | facts


def pending(**facts: Any) -> Execution:
    """An execution that waits to be worked on."""
    given = {
        "mode": "execute",
        "agent_id": "agent-1",
        "agent_name": "Writer",
        "agent_version_id": "",
        "user_id": "",
        "session_id": "",
        "trace_id": TRACE_ID,
        "root_execution_id": EXECUTION_ID,
        "input": {"question": "why"},
        "metadata": {},
    }
    return settled(Execution.create(EXECUTION_ID, STAMP, given | facts))


def running() -> Execution:
    """An execution that somebody works on."""
    execution = pending()
    execution.start(STAMP, "worker-1")
    return settled(execution)


def awaiting(**facts: Any) -> Execution:
    """An execution parked for a human."""
    execution = running()
    execution.request_approval(STAMP, approval(**facts))
    return settled(execution)


def approved() -> Execution:
    """An execution to which a human said yes."""
    execution = awaiting()
    execution.approve(STAMP, APPROVAL_ID, None)
    return settled(execution)


def completed() -> Execution:
    """An execution that ended with an output."""
    execution = running()
    execution.complete(STAMP, {"answer": 42})
    return settled(execution)


def failed() -> Execution:
    """An execution that ended by an error."""
    execution = running()
    execution.fail(STAMP, {"error": "boom", "error_code": "error"})
    return settled(execution)


def cancelled() -> Execution:
    """An execution that was stopped by request."""
    execution = pending()
    execution.cancel(STAMP, "changed my mind")
    return settled(execution)


def rejected() -> Execution:
    """An execution to which a human said no."""
    execution = awaiting()
    execution.reject(STAMP, APPROVAL_ID, None)
    return settled(execution)


def settled(execution: Execution) -> Execution:
    """The execution with everything recorded."""
    execution.pending_events.clear()
    return execution


IN_STATUS: Final[Mapping[Status, Callable[[], Execution]]] = {
    Status.PENDING: pending,
    Status.RUNNING: running,
    Status.AWAITING_APPROVAL: awaiting,
    Status.APPROVED: approved,
    Status.COMPLETED: completed,
    Status.FAILED: failed,
    Status.CANCELLED: cancelled,
    Status.REJECTED: rejected,
}
"""How to come by an execution in each status."""
