from collections.abc import Iterator
from datetime import timedelta

import pytest

from ledger.clock import format_time
from ledger.errors import NotFound
from projections import sessions
from tests.strategies import BEGINNING
from tests.views import FIRST, Told, telling

pytestmark = pytest.mark.both_stores


@pytest.fixture
def told() -> Iterator[Told]:
    with telling() as told:
        yield told


def test_a_session_adds_up_what_happened_under_its_id(told: Told) -> None:
    first = told.running(session_id="monday")
    told.spend(first, cost="0.0000000001")
    told.ask(sessions.list_sessions, "acme", FIRST)
    told.later(60)
    child = told.create(parent=first, session_id="monday")
    second = told.running(session_id="monday")
    told.spend(second, cost=None)
    told.later(60)
    told.do(second, lambda s: second.fail(s, {"error": "broken", "error_code": "error"}))
    told.do(child, lambda stamp: child.cancel(stamp, None))

    assert told.ask(sessions.get_session, "acme", "monday") == {
        "session_id": "monday",
        "trace_count": 2,
        "total_tokens": 240,
        "total_cost": 1e-10,
        "total_cost_usd": "0.0000000001",
        "unpriced_tokens": 120,
        "error_count": 1,
        "first_seen": format_time(BEGINNING),
        "last_seen": format_time(BEGINNING + timedelta(minutes=2)),
    }


def test_a_session_began_when_its_earliest_run_did_whenever_that_was_recorded(told: Told) -> None:
    told.create(session_id="monday")
    earlier = BEGINNING - timedelta(days=1)
    told.create(session_id="monday", occurred_at=earlier)

    session = told.ask(sessions.get_session, "acme", "monday")

    assert session["first_seen"] == format_time(earlier)
    assert session["last_seen"] == format_time(BEGINNING)


def test_the_session_that_was_last_active_comes_first(told: Told) -> None:
    monday = told.running(session_id="monday")
    told.later(1)
    told.running(session_id="tuesday")
    told.running()
    told.later(1)
    told.spend(monday)

    listed = told.ask(sessions.list_sessions, "acme", FIRST)

    assert [session["session_id"] for session in listed] == ["monday", "tuesday"]


def test_a_session_of_another_workspace_does_not_exist(told: Told) -> None:
    told.spend(told.running(session_id="monday"))
    told.running("umbrella", session_id="tuesday")

    with pytest.raises(NotFound):
        told.ask(sessions.get_session, "umbrella", "monday")
    listed = told.ask(sessions.list_sessions, "umbrella", FIRST)
    assert [session["session_id"] for session in listed] == ["tuesday"]
