"""Two servers that hear workers: what one heard, the other one does not take for silence."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from ledger.clock import Clocks
from ledger.database import open_heartbeats
from ledger.errors import StoreFailed
from ledger.heartbeats import Heartbeats
from server.hearing import Hearing
from server.leases import Lease, Leases, digest_of_token
from tests.postgres import fresh_schema
from tests.recording import HandClock
from tests.stores import execute_in, fetched_from

T = TypeVar("T")

ID, LEASE = "run-1", digest_of_token("secret")
SECONDS = 100.0
"""Of a lease. So much passes by hand; in truth tests take a moment."""


class ServerOfWorkers:
    """What a server knows of workers, and its share in the heartbeats."""

    def __init__(self, url: str, clock: HandClock) -> None:
        opened = open_heartbeats(url)
        assert opened is not None
        self.heartbeats: Heartbeats = opened
        self.leases = Leases(SECONDS, Clocks(clock, clock.monotonic))
        self.hearing = Hearing(self.leases, self.heartbeats, self._read)
        self.is_cut_off = False

    async def _read(self, read: Callable[[], T]) -> T:
        if self.is_cut_off:
            raise StoreFailed("there is no database")
        return read()

    async def silent(self) -> list[Lease]:
        return await self.hearing.silent()


class Site:
    """Two servers on one database, by one clock."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = HandClock()
        self.first, self.second = ServerOfWorkers(url, self.clock), ServerOfWorkers(url, self.clock)
        for server in self.servers:
            server.leases.grant(ID, "acme", LEASE)

    @property
    def servers(self) -> tuple[ServerOfWorkers, ServerOfWorkers]:
        return self.first, self.second

    def pass_(self, seconds: float) -> None:
        """Let time pass, in the database too."""
        self.clock.advance(seconds)
        by = f"interval '{seconds} seconds'"
        execute_in(self.url, f"UPDATE heartbeats SET heard_at = heard_at - {by}")  # noqa: S608 - a number of ours

    def rows(self) -> set[str]:
        found = fetched_from(self.url, "SELECT execution_id FROM heartbeats WHERE lease <> ''")
        return {id_ for (id_,) in found}


@pytest.fixture
def site() -> Iterator[Site]:
    with fresh_schema() as url:
        site = Site(url)
        yield site
        for server in site.servers:
            server.heartbeats.close()


async def test_a_worker_that_another_server_hears_is_not_silent(site: Site) -> None:
    for _ in range(10):
        site.pass_(SECONDS / 2)
        assert site.first.hearing.heard(ID, LEASE)
        assert await site.first.silent() == []
        assert await site.second.silent() == []


async def test_a_worker_that_goes_from_server_to_server_is_not_silent(site: Site) -> None:
    for turn in range(10):
        site.pass_(SECONDS * 0.9)
        here, there = site.servers[turn % 2], site.servers[(turn + 1) % 2]
        here.hearing.heard(ID, LEASE)
        assert [*await here.silent(), *await there.silent()] == []


async def test_a_worker_that_nobody_hears_is_silent_to_every_server(site: Site) -> None:
    site.first.hearing.heard(ID, LEASE)
    await site.first.silent()
    site.pass_(SECONDS + 2)

    for server in site.servers:
        (lease,) = await server.silent()
        assert (lease.execution_id, lease.digest) == (ID, LEASE)


async def test_when_it_was_heard_of_last_is_known_wherever_it_was(site: Site) -> None:
    site.pass_(SECONDS / 2)
    site.first.hearing.heard(ID, LEASE)
    await site.first.silent()
    before = site.clock.now
    site.pass_(SECONDS - 1)
    assert await site.second.silent() == []
    site.pass_(3)

    (lease,) = await site.second.silent()

    assert abs((lease.heard_at - before).total_seconds()) < 30  # it took so long in truth


async def test_what_is_heard_may_come_a_little_late(site: Site) -> None:
    site.pass_(SECONDS + 0.5)
    assert await site.second.silent() == []

    site.first.hearing.heard(ID, LEASE)
    await site.first.silent()

    site.pass_(1)
    assert await site.second.silent() == []


async def test_nobody_is_given_up_while_the_others_cannot_be_asked(site: Site) -> None:
    site.second.is_cut_off = True
    site.pass_(SECONDS * 10)

    assert await site.second.silent() == []
    site.second.is_cut_off = False
    assert len(await site.second.silent()) == 1


async def test_what_could_not_be_told_is_told_later(site: Site) -> None:
    site.pass_(SECONDS - 1)
    site.first.hearing.heard(ID, LEASE)
    site.first.is_cut_off = True
    await site.first.silent()
    site.first.is_cut_off = False

    await site.first.silent()

    site.pass_(10)
    assert await site.second.silent() == []


async def test_after_the_heartbeats_were_lost_every_lease_has_its_time_again(site: Site) -> None:
    site.first.hearing.heard(ID, LEASE)
    await site.first.silent()
    execute_in(site.url, "TRUNCATE heartbeats")  # as a crash does
    site.clock.advance(SECONDS + 2)

    assert await site.second.silent() == []  # by the database, that was a moment ago
    site.pass_(SECONDS + 2)
    assert len(await site.second.silent()) == 1


async def test_what_is_over_leaves_nothing_behind(site: Site) -> None:
    for server in site.servers:
        server.hearing.heard(ID, LEASE)
        await server.silent()
    assert site.rows() == {ID}
    site.first.leases.grant("run-2", "acme", "another")
    site.first.hearing.heard("run-2", "another")

    for server in site.servers:
        server.leases.end(ID)
        await server.silent()

    assert site.rows() == {"run-2"}


async def test_what_began_and_ended_between_two_looks_is_never_told(site: Site) -> None:
    site.first.hearing.heard(ID, LEASE)
    site.first.leases.end(ID)

    await site.first.silent()

    assert site.rows() == set()


async def test_a_worker_that_let_go_while_a_human_was_waited_for_is_not_waited_for(
    site: Site,
) -> None:
    for server in site.servers:
        server.leases.park(ID)
    site.first.hearing.heard(ID, LEASE)
    await site.first.silent()
    site.first.hearing.let_go(ID)
    assert await site.first.silent() == []
    assert await site.second.silent() == []  # a human is waited for

    site.second.leases.unpark(ID, resuming=True)

    (lease,) = await site.second.silent()
    assert lease.execution_id == ID
    site.second.leases.drop(lease)
    assert await site.second.silent() == []
    site.first.leases.grant(ID, "acme", "another")
    await site.first.silent()
    assert site.rows() == set()


async def test_that_a_worker_let_go_is_told_also_when_the_answer_came_first(site: Site) -> None:
    for server in site.servers:
        server.leases.park(ID)
    site.first.hearing.let_go(ID)
    assert not site.first.leases.unpark(ID, resuming=True)
    site.second.leases.unpark(ID, resuming=True)

    assert await site.first.silent() == []

    assert len(await site.second.silent()) == 1


async def test_a_worker_that_let_go_and_came_back_is_waited_for(site: Site) -> None:
    for server in site.servers:
        server.leases.park(ID)
    site.first.hearing.let_go(ID)
    await site.first.silent()
    site.first.hearing.heard(ID, LEASE)
    await site.first.silent()

    site.second.leases.unpark(ID, resuming=True)

    assert await site.second.silent() == []


async def test_a_later_lease_is_not_the_one_that_was_silent(site: Site) -> None:
    site.pass_(SECONDS + 2)
    (lease,) = await site.second.silent()
    site.second.leases.grant(ID, "acme", "later")

    site.second.leases.drop(lease)

    assert site.second.leases.digest_of(ID) == "later"
    assert await site.second.silent() == []
