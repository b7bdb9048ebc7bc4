"""What must have happened by some time, or the server sees to it: deadlines, and cancellations."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from ledger.clock import CLOCKS, Clocks, parse_time
from ledger.commands import Cancel, Command, Fail


class _Deadline(NamedTuple):
    workspace: str
    at: datetime


class _Cancellation(NamedTuple):
    workspace: str
    at: float
    reason: str | None


class Due(NamedTuple):
    """Something that is due now.

    Attributes:
        execution_id: which it is about.
        why: for which reason.
        command: what to do, given the lease under which the execution is worked on.
    """

    execution_id: str
    why: _Deadline | _Cancellation
    command: Callable[[str | None], Command]

    @property
    def workspace(self) -> str:
        """That it belongs to."""
        return self.why.workspace


class Overdue:
    """Executions whose work must end by some time. On the event loop only.

    A deadline is a time that is recorded. The grace of a cancellation begins when this process
    learns of it.
    """

    def __init__(self, grace_seconds: float, clocks: Clocks = CLOCKS) -> None:
        self._grace = grace_seconds
        self._clock = clocks.monotonic
        self._wall = clocks.wall
        self._deadlines: dict[str, _Deadline] = {}
        self._cancellations: dict[str, _Cancellation] = {}

    def must_end(self, execution_id: str, workspace: str, deadline_at: str) -> None:
        """The work must be done by a time, RFC 3339."""
        self._deadlines[execution_id] = _Deadline(workspace, parse_time(deadline_at))

    def suspend(self, execution_id: str) -> None:
        """A human is waited for: that time does not count. The next start says the new deadline."""
        self._deadlines.pop(execution_id, None)

    def cancelling(self, execution_id: str, workspace: str, reason: str | None) -> None:
        """Somebody wants it stopped; its worker has so long to confirm."""
        due_at = self._clock() + self._grace
        self._cancellations[execution_id] = _Cancellation(workspace, due_at, reason)

    def is_cancelling(self, execution_id: str) -> bool:
        """Whether its worker has yet to confirm a cancellation."""
        return execution_id in self._cancellations

    def forget(self, execution_id: str) -> None:
        """The work is over."""
        self._deadlines.pop(execution_id, None)
        self._cancellations.pop(execution_id, None)

    def drop(self, due: Due) -> None:
        """It came to nothing; what was said since of the same execution stays."""
        if self._deadlines.get(due.execution_id) is due.why:
            del self._deadlines[due.execution_id]
        if self._cancellations.get(due.execution_id) is due.why:
            del self._cancellations[due.execution_id]

    def due(self) -> Iterator[Due]:
        """What is due; again each time, until it is forgotten."""
        for id_, deadline in list(self._deadlines.items()):
            if deadline.at <= self._wall():
                yield Due(id_, deadline, _timeout(id_))
        for id_, cancellation in list(self._cancellations.items()):
            if cancellation.at <= self._clock():
                yield Due(id_, cancellation, _cancellation(id_, cancellation.reason))


def _timeout(id_: str) -> Callable[[str | None], Command]:
    def fail(lease: str | None) -> Command:
        error = "the work took longer than its version allows (max_duration_s)"
        return Fail(id_, error, "timeout", lease=lease)

    return fail


def _cancellation(id_: str, reason: str | None) -> Callable[[str | None], Command]:
    def cancel(lease: str | None) -> Command:
        return Cancel(id_, reason, confirm=True, lease=lease)

    return cancel
