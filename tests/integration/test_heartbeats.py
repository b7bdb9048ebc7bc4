"""Heartbeats in PostgreSQL: what one server heard, another one knows; and what is lost is known."""

import threading
from collections.abc import Iterator
from math import inf

import pytest

from ledger.application import Ledger
from ledger.database import open_heartbeats
from ledger.errors import StoreFailed
from ledger.heartbeats import Heard, Heartbeats
from tests.postgres import fresh_schema
from tests.stores import execute_in, fetched_from

Servers = tuple[Heartbeats, Heartbeats]


@pytest.fixture
def url() -> Iterator[str]:
    with fresh_schema() as url:
        yield url


def opened(url: str) -> Heartbeats:
    heartbeats = open_heartbeats(url)
    assert heartbeats is not None
    return heartbeats


@pytest.fixture
def servers(url: str) -> Iterator[Servers]:
    """Two servers of one ledger."""
    first, second = opened(url), opened(url)
    yield first, second
    first.close()
    second.close()


def heard(lease: str, seconds_ago: float = 0, *, let_go: bool = False) -> Heard:
    return Heard(lease, f"run of {lease}", seconds_ago, let_go)


def leases_in(url: str) -> set[str]:
    return {row[0] for row in fetched_from(url, "SELECT lease FROM heartbeats") if row[0]}


def test_what_one_server_heard_another_one_knows(servers: Servers) -> None:
    first, second = servers

    first.tell([heard("a", 1000), heard("b", 2000)], ())

    said = second.ask(["a", "b", "c"])
    assert said.by_lease.keys() == {"a", "b"}
    assert 1000 <= said.of("a") < 1900
    assert 2000 <= said.of("b") < 2900


def test_of_what_nobody_else_heard_nothing_is_said(servers: Servers) -> None:
    first, second = servers
    first.tell([heard("mine")], ())

    said = first.ask(["mine", "nobody's"])

    assert (said.by_lease, said.of("mine")) == ({}, inf)
    assert second.ask(["mine"]).by_lease.keys() == {"mine"}


def test_the_latest_that_was_heard_counts(servers: Servers) -> None:
    first, second = servers
    first.tell([heard("a", 1000)], ())
    second.tell([heard("a", 5000)], ())

    assert first.ask(["a"]).by_lease == {}
    assert 1000 <= second.ask(["a"]).of("a") < 5000


def test_a_worker_that_let_go_is_not_waited_for_until_it_is_heard_of(servers: Servers) -> None:
    first, second = servers
    first.tell([heard("a")], ())
    first.tell([heard("a", 1, let_go=True)], ())

    assert second.ask(["a"]).let_go("a")
    first.tell([heard("a")], ())
    assert not second.ask(["a"]).let_go("a")


def test_a_lease_that_is_over_leaves_nothing(servers: Servers, url: str) -> None:
    first, second = servers
    first.tell([heard("a"), heard("b"), heard("c")], ())

    second.tell([], ["a", "c", "unknown"])

    assert leases_in(url) == {"b"}


def test_what_a_killed_server_left_is_cleared_by_a_later_start(servers: Servers, url: str) -> None:
    servers[0].tell([heard("old", 200_000), heard("new")], ())

    opened(url).close()

    assert leases_in(url) == {"new"}


def test_after_a_loss_silence_is_reckoned_from_then(servers: Servers, url: str) -> None:
    first, second = servers
    first.tell([heard("a", 1000)], ())
    execute_in(url, "TRUNCATE heartbeats")  # as a crash does

    assert second.ask(["a"]).of("a") == 0
    later = second.ask(["a"]).of("a")
    assert 0 < later < 1000


def test_a_connection_that_breaks_is_said_once_and_comes_back(servers: Servers, url: str) -> None:
    first, second = servers
    first.tell([heard("a")], ())
    second.ask(["a"])
    broken = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%heartbeats%'"
    )
    fetched_from(url, f"{broken} AND pid <> pg_backend_pid()")

    with pytest.raises(StoreFailed):
        second.ask(["a"])

    assert second.ask(["a"]).by_lease.keys() == {"a"}


def test_many_are_told_of_at_once(servers: Servers) -> None:
    first, second = servers
    many = [heard(f"{number:05}") for number in range(5_000)]

    first.tell(many, ())

    assert len(second.ask([each.lease for each in many]).by_lease) == 5_000


def test_one_server_needs_no_heartbeats_of_others() -> None:
    assert open_heartbeats("sqlite:///some.db") is None


def test_a_server_knows_whether_it_is_alone(servers: Servers, url: str) -> None:
    with Ledger(url):
        assert servers[0].is_alone()
        with Ledger(url):
            assert not servers[0].is_alone()
        while not servers[0].is_alone():  # PostgreSQL takes a moment to end a session
            threading.Event().wait(0.01)
