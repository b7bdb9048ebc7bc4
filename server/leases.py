"""Leases: for how long an execution is a worker's, unless the worker is heard of.

A lease is known by the digest of its token; the token is the worker's alone. Which digest counts,
the log says (`started`); when a worker was last heard of is kept here, in memory, and
`server.hearing` shares it among servers. A server that starts gives every lease its whole time
again. On the event loop only.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from ledger.clock import CLOCKS, Clocks


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
        heard: the same on the monotonic clock.
        until: when the lease runs out, on the monotonic clock; None while a human is waited for.
        resuming: whether it only waits for its worker to go on after a human's answer.
        let_go: whether its worker, while a human was waited for, said that it will not go on.
    """

    execution_id: str
    workspace: str
    digest: str
    heard_at: datetime
    heard: float
    until: float | None
    resuming: bool = False
    let_go: bool = False


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
        now = self._clock()
        self._leases[execution_id] = Lease(
            execution_id, workspace, digest, self._wall(), now, now + self.seconds
        )

    def of(self, execution_id: str) -> Lease | None:
        """The lease under which an execution is worked on, if it is under any."""
        return self._leases.get(execution_id)

    def digest_of(self, execution_id: str) -> str | None:
        """Its digest."""
        lease = self._leases.get(execution_id)
        return None if lease is None else lease.digest

    def heard(self, execution_id: str, digest: str | None) -> bool:
        """The worker is there: give the lease its whole time again. Whether it is in force."""
        lease = self._leases.get(execution_id)
        if lease is None or lease.digest != digest:
            return False
        self._heard(lease, 0)
        lease.let_go = False
        return True

    def silent_for(self, lease: Lease) -> float:
        """Seconds since the holder of a lease was last heard of, as far as it is known here."""
        return self._clock() - lease.heard

    def heard_elsewhere(self, lease: Lease, seconds_ago: float) -> None:
        """Another server heard of the holder of a lease, so long ago."""
        if seconds_ago < self.silent_for(lease):
            self._heard(lease, seconds_ago)

    def _heard(self, lease: Lease, seconds_ago: float) -> None:
        lease.heard_at = self._wall() - timedelta(seconds=seconds_ago)
        lease.heard = self._clock() - seconds_ago
        if lease.until is not None:
            lease.until = max(lease.until, lease.heard + self.seconds)

    def park(self, execution_id: str) -> None:
        """A human is waited for: that time counts against nobody."""
        lease = self._leases.get(execution_id)
        if lease is not None:
            lease.until, lease.resuming = None, False

    def unpark(self, execution_id: str, *, resuming: bool) -> bool:
        """A human answered: the worker has one lease's time to be heard of.

        Args:
            execution_id: which was parked.
            resuming: whether the worker has yet to take it up again.

        Returns:
            Whether there is one that did not let go.
        """
        lease = self._leases.get(execution_id)
        if lease is None or lease.let_go:
            return False
        lease.until, lease.resuming = self._clock() + self.seconds, resuming
        return True

    def let_go(self, execution_id: str) -> None:
        """A worker will not go on after the answer of the human that is waited for."""
        lease = self._leases.get(execution_id)
        if lease is not None:
            lease.let_go = True

    def end(self, execution_id: str) -> None:
        """The work is over, or another's."""
        self._leases.pop(execution_id, None)

    def drop(self, lease: Lease) -> None:
        """A lease is over, unless there is a later one already."""
        if self._leases.get(lease.execution_id) is lease:
            self.end(lease.execution_id)

    def has_run_out(self, lease: Lease, late: float = 0) -> bool:
        """Whether a lease is in force whose time is over, by so many seconds at least."""
        in_force = self._leases.get(lease.execution_id) is lease
        return in_force and lease.until is not None and lease.until + late <= self._clock()

    def overdue(self, late: float = 0) -> list[Lease]:
        """Those that have run out, by so many seconds at least."""
        return [each for each in self._leases.values() if self.has_run_out(each, late)]

    def doubtful(self, late: float) -> list[Lease]:
        """Those, and those whose holders have yet to go on after a human's answer."""
        return [
            each for each in self._leases.values() if each.resuming or self.has_run_out(each, late)
        ]
