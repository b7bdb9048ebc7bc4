"""The lifecycle of an execution: which fact may be recorded in which status, and what follows.

The statuses that no row with a target starts from are the terminal ones. Decide consults this
table; evolve never does, for a stored fact is a fact under every later table.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from ledger import events as e
from ledger.event import Event
from ledger.status import Status


class Row(NamedTuple):
    """The statuses in which a fact may be recorded, and the status it leads to, if another."""

    sources: frozenset[Status]
    target: Status | None


def _from(*sources: Status, to: Status | None = None) -> Row:
    return Row(frozenset(sources), to)


PENDING, RUNNING, AWAITING, APPROVED, COMPLETED, FAILED, CANCELLED, REJECTED = Status

# fmt: off
LIFECYCLE: Final[Mapping[type[Event], Row]] = {
    e.Started:               _from(PENDING,                    APPROVED, to=RUNNING),
    e.Thought:               _from(         RUNNING),
    e.ToolStarted:           _from(         RUNNING),
    e.ToolEnded:             _from(         RUNNING),
    e.ContentStreamed:       _from(         RUNNING),
    e.UsageRecorded:         _from(         RUNNING),
    e.ApprovalRequested:     _from(         RUNNING,                     to=AWAITING),
    e.ApprovalSuperseded:    _from(                  AWAITING),
    e.Approved:              _from(                  AWAITING,           to=APPROVED),
    e.Rejected:              _from(                  AWAITING,           to=REJECTED),
    e.Denied:                _from(                  AWAITING,           to=RUNNING),
    e.ApprovalExpired:       _from(                  AWAITING,           to=REJECTED),
    e.CancellationRequested: _from(         RUNNING),
    e.Cancelled:             _from(PENDING, RUNNING, AWAITING, APPROVED, to=CANCELLED),
    e.WorkerLost:            _from(         RUNNING,                     to=PENDING),
    e.Completed:             _from(         RUNNING,           APPROVED, to=COMPLETED),
    e.Failed:                _from(PENDING, RUNNING, AWAITING, APPROVED, to=FAILED),
    e.UsageRepriced:         _from(*Status),
    e.Annotated:             _from(*Status),
    e.Scored:                _from(*Status),
    e.ScoreRemoved:          _from(*Status),
}
# fmt: on
