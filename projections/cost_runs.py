"""What of an execution decides in which totals it stands, and what it adds to them by itself."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, select

from ledger import events as e
from ledger.mapper import Recorded
from ledger.strict_json import decode_exact, encode
from projections.cost_tables import runs
from projections.execution_rows import NoSuchExecution
from projections.labels import metadata_name, value_of

_ENDS: Final = frozenset(
    event.TOPIC for event in (e.Completed, e.Failed, e.Cancelled, e.Rejected, e.ApprovalExpired)
)
_MOVES: Final = frozenset(
    event.TOPIC for event in (e.Started, e.ApprovalRequested, e.Approved, e.Denied, e.WorkerLost)
)
TOPICS: Final = _ENDS | _MOVES | {e.Created.TOPIC, e.Annotated.TOPIC}
"""The facts by which it changes."""


class Run(NamedTuple):
    """What can change in an execution, as far as totals are concerned.

    Attributes:
        status: as it stands.
        labels: its metadata, as it is searched by.
        errors: 1 if it failed.
        duration_ms: how long it took, once that is known.
        durations: 1 if that is known.
    """

    status: str
    labels: Mapping[str, str]
    errors: int = 0
    duration_ms: int = 0
    durations: int = 0


def fold(before: Mapping[str, Run], events: Iterable[Recorded]) -> dict[str, Run]:
    """Executions after a page's events of `TOPICS`; where one stands, the last that moved it says.

    Args:
        before: those of earlier pages that these events belong to.
        events: in their order.
    """
    after = dict(before)
    moved: dict[str, Recorded] = {}
    for event in events:
        if event.topic in _ENDS or event.topic in _MOVES:
            moved[event.id] = event
        elif event.topic == e.Created.TOPIC:
            facts = decode_exact(event.payload)
            after[event.id] = Run(facts["status"], _labels(facts))
        elif event.topic == e.Annotated.TOPIC:
            run = after[event.id]
            labels = {**run.labels, **_labels(decode_exact(event.payload))}
            after[event.id] = run._replace(labels=labels)
    for id_, event in moved.items():
        after[id_] = _moved(after[id_], event)
    return after


def _labels(facts: Mapping[str, Any]) -> dict[str, str]:
    return {metadata_name(key): value_of(value) for key, value in facts["metadata"].items()}


def _moved(run: Run, event: Recorded) -> Run:
    facts = event.facts
    now: dict[str, Any] = {"status": facts["status"]}
    if event.topic == e.Failed.TOPIC:
        now["errors"] = 1
    if event.topic in _ENDS and facts.get("duration_ms") is not None:
        now |= {"duration_ms": facts["duration_ms"], "durations": 1}
    return run._replace(**now)


def load(connection: Connection, ids: Iterable[str]) -> dict[str, Run]:
    """Executions of earlier pages.

    Raises:
        NoSuchExecution: the creation of one of them is not in the view.
    """
    wanted = list(ids)
    rows = connection.execute(select(runs).where(runs.c.execution_id.in_(wanted))) if wanted else ()
    found = {row[0]: Run(row[1], decode_exact(row[2].encode()), *row[3:]) for row in rows}
    if missing := [id_ for id_ in wanted if id_ not in found]:
        message = f"an event of {missing[0]!r}, of which the creation is missing"
        raise NoSuchExecution(message)
    return found


def row_of(id_: str, run: Run) -> dict[str, Any]:
    """As it stands in the table."""
    return {"execution_id": id_, **run._asdict(), "labels": encode(run.labels).decode()}
