"""The lifecycle in words and as a diagram, made of the table that decides."""

from collections.abc import Iterator
from typing import Final

from ledger.lifecycle import LIFECYCLE
from ledger.status import Status
from scripts.describe.markdown import code, table

MEANING: Final = {
    Status.PENDING: "recorded, waits to be worked on",
    Status.RUNNING: "somebody works on it",
    Status.AWAITING_APPROVAL: "parked at a checkpoint until a human decides",
    Status.APPROVED: "a human said yes; not resumed yet",
    Status.COMPLETED: "finished with an output",
    Status.FAILED: "ended by an error",
    Status.CANCELLED: "stopped by request",
    Status.REJECTED: "a human said no, or nobody answered in time",
}


def arrows() -> Iterator[tuple[Status, Status, list[str]]]:
    """Every change of status: from, to, and the types of the events that make it."""
    for source in Status:
        for target in Status:
            types = [
                event.TYPE
                for event, row in LIFECYCLE.items()
                if source in row.sources and row.target is target
            ]
            if types:
                yield source, target, types


def without_change() -> Iterator[tuple[str, frozenset[Status]]]:
    """The types of the events that leave the status as it is, and when they may be recorded."""
    for event, row in LIFECYCLE.items():
        if row.target is None:
            yield event.TYPE, row.sources


def diagram() -> str:
    """The lifecycle as a Mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> pending: created"]
    lines += [f"    {old} --> {new}: {', '.join(types)}" for old, new, types in arrows()]
    lines += [f"    {status} --> [*]" for status in Status if status.is_terminal]
    return "\n".join([*lines, "```"])


def statuses() -> str:
    """Each status: what it means, how it is entered, and its only exits."""
    rows = [
        (
            code(status),
            MEANING[status],
            _ways(new=status) if status is not Status.PENDING else f"created, {_ways(new=status)}",
            _ways(old=status) or "none: it is terminal",
        )
        for status in Status
    ]
    return table(("status", "meaning", "entered by", "left by"), rows)


def _ways(old: Status | None = None, new: Status | None = None) -> str:
    """The events that lead out of a status, or into one."""
    types = [
        each
        for source, target, names in arrows()
        if old in (None, source) and new in (None, target)
        for each in names
    ]
    return ", ".join(dict.fromkeys(types))
