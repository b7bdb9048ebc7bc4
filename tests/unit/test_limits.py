"""How much one key may ask for."""

import pytest

from ledger.event import Actor
from server import limits
from server.auth import Permission, Principal
from server.errors import TooManyRequests
from server.limits import Limiter


def of(id_: str, workspace: str = "default") -> Principal:
    return Principal(Actor(type="user", id=id_, auth="api_key"), workspace, Permission.READ)


class Clock:
    """A clock that goes when it is told to, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def admitted(limiter: Limiter, principal: Principal, times: int) -> int:
    """How many of so many requests are let through."""
    number = 0
    for _ in range(times):
        try:
            limiter.admit(principal)
        except TooManyRequests:
            continue
        number += 1
    return number


@pytest.mark.parametrize(("rate", "burst"), [(5, 10), (0.5, 1), (0.1, 1), (2.5, 5)])
def test_a_burst_is_twice_the_rate_and_at_least_one(rate: float, burst: int) -> None:
    assert admitted(Limiter(rate, Clock()), of("a"), 50) == burst


def test_without_a_rate_everything_is_let_through() -> None:
    assert admitted(Limiter(0, Clock()), of("a"), 1_000) == 1_000


def test_after_a_burst_the_rate_is_let_through() -> None:
    clock = Clock()
    limiter = Limiter(5, clock)
    admitted(limiter, of("a"), 50)

    each_second = []
    for _ in range(3):
        clock.now += 1
        each_second.append(admitted(limiter, of("a"), 50))

    assert each_second == [5, 5, 5]


def test_a_long_rest_saves_up_no_more_than_a_burst() -> None:
    clock = Clock()
    limiter = Limiter(5, clock)
    admitted(limiter, of("a"), 50)
    clock.now += 3600

    assert admitted(limiter, of("a"), 50) == 10


def test_being_refused_costs_nothing() -> None:
    clock = Clock()
    limiter = Limiter(1, clock)
    admitted(limiter, of("a"), 1_000)
    clock.now += 1

    assert admitted(limiter, of("a"), 1) == 1


def test_each_key_has_its_own_and_in_all_workspaces_one() -> None:
    limiter = Limiter(5, Clock())
    admitted(limiter, of("a"), 50)

    assert admitted(limiter, of("b"), 50) == 10
    assert admitted(limiter, of("a", "elsewhere"), 50) == 0


def test_the_longest_unseen_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST_BUCKETS", 2)
    limiter = Limiter(1, Clock())
    for id_ in ("a", "b", "a", "c"):
        admitted(limiter, of(id_), 5)

    assert admitted(limiter, of("a"), 5) == 0
    assert admitted(limiter, of("b"), 5) == 2


def test_a_refusal_says_how_many_are_let_through() -> None:
    limiter = Limiter(0.5, Clock())
    limiter.admit(of("a"))

    with pytest.raises(TooManyRequests, match=r"more than 0\.5 requests per second"):
        limiter.admit(of("a"))
