"""When workers were last heard of, as the servers of one ledger tell each other."""

from collections.abc import Collection, Mapping, Sequence
from math import inf
from typing import NamedTuple, Protocol


class Heard(NamedTuple):
    """That the worker which holds a lease was heard of.

    Attributes:
        lease: the digest of its token, which no other lease has.
        execution_id: what is worked on, for people who look.
        seconds_ago: when.
        let_go: whether it said then that it is not to be waited for.
    """

    lease: str
    execution_id: str
    seconds_ago: float
    let_go: bool = False


class Silences(NamedTuple):
    """For how long no other server has heard of the holders of some leases.

    Attributes:
        by_lease: seconds; `inf` where one let go. Nothing is said of whom nobody else heard of.
        kept_for: for how many seconds this is kept. What was told before may be lost.
    """

    by_lease: Mapping[str, float]
    kept_for: float

    def of(self, lease: str) -> float:
        """For how long certainly nobody else has heard of a lease's holder; `inf`: it let go."""
        return self.by_lease.get(lease, self.kept_for)

    def let_go(self, lease: str) -> bool:
        """Whether its holder is not to be waited for."""
        return self.by_lease.get(lease) == inf


class Heartbeats(Protocol):
    """What servers share beside the log. It may be lost: then every lease has its time again.

    Its methods block, may be called from any thread, and raise StoreFailed.
    """

    def tell(self, heard: Sequence[Heard], over: Collection[str]) -> None:
        """Say of whom this server heard, and which leases of these are over; in one go."""

    def ask(self, leases: Collection[str]) -> Silences:
        """What the other servers say of some leases."""

    def is_alone(self) -> bool:
        """Whether no other server works on the ledger just now."""

    def close(self) -> None:
        """Let go of the database."""
