"""Leases: for how long an execution is a worker's, unless the worker is heard of.

A lease is known by the digest of its token; the token is the worker's alone. Which digest counts,
the log says (`started`); when a worker was last heard of is kept here, in memory. A server that
starts gives every lease its whole time again. On the event loop only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from ledger.clock import CLOCKS, Clocks
from ledger.errors import LeaseLost, NotFound


def digest_of_token(token: str) -> str:
    """What is recorded of a lease's token."""
    return sha256(token.encode()).hexdigest()


@dataclass(slots=True)
class Lease:
    """A worker's hold on an execution.

    Attributes:
        execution_id: what is worked on.
        workspace: that it belongs to.
        digest: of the token.
        heard_at: when the worker was last heard of.
        until: when the lease runs out, on the monotonic clock; None while a human is waited for.
        resuming: whether it only waits for its worker to go on after a human's answer.
    """

    execution_id: str
    workspace: str
    digest: str
    heard_at: datetime
    until: float | None
    resuming: bool = False


class Leases:
    """Those in force."""

    def __init__(self, seconds: float, clocks: Clocks = CLOCKS) -> None:
        self.seconds = seconds
        self._clock = clocks.monotonic
        self._wall = clocks.wall
        self._leases: dict[str, Lease] = {}

    def __len__(self) -> int:
        return len(self._leases)

    def grant(self, execution_id: str, workspace: str, digest: str) -> None:
        """Begin a lease; the one before it, if any, is over."""
        self._leases[execution_id] = Lease(
            execution_id, workspace, digest, self._wall(), self._clock() + self.seconds
        )

    def digest_of(self, execution_id: str) -> str | None:
        """The lease under which an execution is worked on, if it is under any."""
        lease = self._leases.get(execution_id)
        return None if lease is None else lease.digest

    def check(self, workspace: str, execution_id: str, digest: str | None) -> None:
        """Raises LeaseLost unless this is the lease in force; NotFound in another workspace."""
        lease = self._leases.get(execution_id)
        if lease is not None and lease.workspace != workspace:
            raise NotFound("execution", execution_id)
        if lease is None or lease.digest != digest:
            raise LeaseLost(execution_id)

    def heard(self, execution_id: str, digest: str | None) -> None:
        """The worker is there: give the lease its whole time again, if it is in force."""
        lease = self._leases.get(execution_id)
        if lease is not None and lease.digest == digest:
            lease.heard_at = self._wall()
            if lease.until is not None:
                lease.until = self._clock() + self.seconds

    def park(self, execution_id: str) -> None:
        """A human is waited for: that time counts against nobody."""
        lease = self._leases.get(execution_id)
        if lease is not None:
            lease.until = None

    def unpark(self, execution_id: str, *, resuming: bool) -> bool:
        """A human answered: the worker has one lease's time to be heard of. Whether there is one.

        Args:
            execution_id: which was parked.
            resuming: whether the worker has yet to take it up again.
        """
        lease = self._leases.get(execution_id)
        if lease is not None:
            lease.until, lease.resuming = self._clock() + self.seconds, resuming
        return lease is not None

    def end(self, execution_id: str) -> None:
        """The work is over, or another's."""
        self._leases.pop(execution_id, None)

    def overdue(self) -> Iterator[Lease]:
        """Those that have run out."""
        now = self._clock()
        for lease in list(self._leases.values()):
            if lease.until is not None and lease.until <= now:
                yield lease
