"""Of whom this server heard, and whom nobody heard of: shared by the servers of one ledger.

A worker may speak to any server, and to another one each time. So what was heard is told about
once a second, and before an execution is taken back the others are asked. Where there is one server
only, on SQLite, it hears all there is. On the event loop only.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol, TypeVar

import structlog

from ledger.errors import Unavailable
from ledger.heartbeats import Heard, Heartbeats, Silences
from server.leases import Lease, Leases

T = TypeVar("T")

_MOST_BETWEEN_LOOKS_SECONDS: Final = 1.0
_LOOKS_PER_LEASE: Final = 10

log = structlog.get_logger()


class Read(Protocol):
    """Does something that blocks, on a thread."""

    def __call__(self, read: Callable[[], T], /) -> Awaitable[T]:
        """Wait for what it gives."""


class Hearing:
    """What workers let be heard.

    Args:
        leases: those in force, as this server knows them.
        heartbeats: what is shared with other servers; None where there are none.
        read: where to ask and tell.
    """

    def __init__(self, leases: Leases, heartbeats: Heartbeats | None, read: Read) -> None:
        self.every = min(_MOST_BETWEEN_LOOKS_SECONDS, leases.seconds / _LOOKS_PER_LEASE)
        """Seconds from one look to the next, and for which another server may keep its news."""
        self._leases = leases
        self._heartbeats = heartbeats
        self._read = read
        self._news: set[str] = set()  # executions whose workers were heard of, not told yet
        self._told: dict[str, str] = {}  # the execution of each lease that the others know of

    def heard(self, execution_id: str, digest: str | None) -> bool:
        """A worker is there: its lease has its whole time again. Whether it is in force."""
        is_in_force = self._leases.heard(execution_id, digest)
        if is_in_force and self._heartbeats is not None:
            self._news.add(execution_id)
        return is_in_force

    def let_go(self, execution_id: str) -> None:
        """A worker will not go on after the answer of the human that is waited for."""
        self._leases.let_go(execution_id)
        if self._heartbeats is not None:
            self._news.add(execution_id)

    async def silent(self) -> list[Lease]:
        """Leases that ran out, since no server heard of their holders; none where it is not known.

        And those of workers that let go, which were to go on after an answer.
        """
        if self._heartbeats is None:
            return self._leases.overdue()
        try:
            await self._tell(self._heartbeats)
            return await self._ask(self._heartbeats)
        except Unavailable as error:
            log.warning("no worker is given up: other servers cannot be asked", why=str(error))
        except Exception:  # whatever it is, the next look must come
            log.exception("no worker is given up: other servers cannot be asked")
        return []

    async def _tell(self, heartbeats: Heartbeats) -> None:
        leases = [lease for id_ in self._news if (lease := self._leases.of(id_))]
        heard = [self._heard(lease) for lease in leases]
        over = {each for each, id_ in self._told.items() if self._leases.digest_of(id_) != each}
        news, self._news = self._news, set()
        if not (heard or over):
            return
        try:
            await self._read(partial(heartbeats.tell, heard, over))
        except BaseException:
            self._news |= news
            raise
        self._told |= {each.lease: each.execution_id for each in heard}
        for each in over:
            self._told.pop(each, None)

    def _heard(self, lease: Lease) -> Heard:
        ago = self._leases.silent_for(lease)
        return Heard(lease.digest, lease.execution_id, ago, lease.let_go)

    async def _ask(self, heartbeats: Heartbeats) -> list[Lease]:
        asked = self._leases.doubtful(self.every)
        if not asked:
            return []
        said = await self._read(partial(heartbeats.ask, [each.digest for each in asked]))
        return [each for each in asked if self._is_silent(each, said)]

    def _is_silent(self, lease: Lease, said: Silences) -> bool:
        """Whether a lease that is in force still is not to be waited for."""
        if said.let_go(lease.digest):
            return self._leases.of(lease.execution_id) is lease
        heard_ago = said.of(lease.digest)
        if lease.digest in said.by_lease:
            self._leases.heard_elsewhere(lease, heard_ago)
        is_known = heard_ago >= self._leases.seconds + self.every
        return is_known and self._leases.has_run_out(lease, self.every)
