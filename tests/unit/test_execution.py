from collections.abc import Callable, Iterable
from datetime import timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from ledger import events as e
from ledger.errors import AlreadyDecided, IllegalTransition, NotFound
from ledger.event import EncodedEvent, Event
from ledger.execution import Execution
from ledger.lifecycle import LIFECYCLE
from ledger.status import Status
from ledger.usage import Totals
from tests import given
from tests.given import APPROVAL_ID, IN_STATUS, NOON, STAMP, frame, later, newest, recorded


@pytest.fixture(name="pending")
def pending_fixture() -> Execution:
    return given.pending()


@pytest.fixture(name="running")
def running_fixture() -> Execution:
    return given.running()


@pytest.fixture(name="awaiting")
def awaiting_fixture() -> Execution:
    return given.awaiting()


@pytest.fixture(name="approved")
def approved_fixture() -> Execution:
    return given.approved()


@pytest.fixture(name="completed")
def completed_fixture() -> Execution:
    return given.completed()


ACTS: dict[type[Event], Callable[[Execution], object]] = {
    e.Started: lambda x: x.start(STAMP, "worker-2"),
    e.Thought: lambda x: x.append(STAMP, [frame(e.Thought, content="hm")]),
    e.ToolStarted: lambda x: x.append(STAMP, [frame(e.ToolStarted, id="1", name="search")]),
    e.ToolEnded: lambda x: x.append(STAMP, [frame(e.ToolEnded, id="1", name="search")]),
    e.ContentStreamed: lambda x: x.append(STAMP, [frame(e.ContentStreamed, content="hi")]),
    e.UsageRecorded: lambda x: x.record_usage(STAMP, {"model": "m"}),
    e.UsageRepriced: lambda x: x.reprice(STAMP, given.repricing()),
    e.ApprovalRequested: lambda x: x.request_approval(STAMP, given.approval()),
    e.CancellationRequested: lambda x: x.cancel(STAMP, None),
    e.Cancelled: lambda x: x.cancel(STAMP, None, confirm=True),
    e.WorkerLost: lambda x: x.lose_worker(STAMP, None),
    e.Completed: lambda x: x.complete(STAMP, {}),
    e.Failed: lambda x: x.fail(STAMP, {"error": "boom", "error_code": "error"}),
    e.Annotated: lambda x: x.annotate(STAMP, {"ticket": "7"}),
    e.Scored: lambda x: x.score(STAMP, {"score_id": "s", "name": "quality"}),
}
DECISIONS: dict[type[Event], Callable[[Execution], object]] = {
    e.ApprovalSuperseded: lambda x: x.supersede(STAMP, APPROVAL_ID, given.edit()),
    e.Approved: lambda x: x.approve(STAMP, APPROVAL_ID, None),
    e.Rejected: lambda x: x.reject(STAMP, APPROVAL_ID, None),
    e.ApprovalExpired: lambda x: x.expire(STAMP, APPROVAL_ID),
}


def cases(acts: Iterable[type[Event]], *, allowed: bool) -> list[Any]:
    return [
        pytest.param(status, event, id=f"{event.TYPE}-{status}")
        for status, event in product(Status, acts)
        if (status in LIFECYCLE[event].sources) == allowed
    ]


def state_of(execution: Execution) -> dict[str, Any]:
    return {name: value for name, value in vars(execution).items() if name != "_pending_events"}


def test_creating_an_execution_records_created() -> None:
    facts = {"mode": "record", "agent_id": "a", "agent_name": "A", "agent_version_id": ""}
    texts = {"user_id": "", "session_id": "", "trace_id": given.TRACE_ID}
    payloads = {"root_execution_id": "x", "input": {"question": "why"}, "metadata": {}}

    execution = Execution.create("x", STAMP, facts | texts | payloads)

    assert recorded(execution) == [e.Created]
    assert (execution.status, execution.version) == (Status.PENDING, 1)


@pytest.mark.parametrize(("status", "event"), cases({**ACTS, **DECISIONS}, allowed=True))
def test_an_act_that_the_table_allows_records_its_fact(status: Status, event: type[Event]) -> None:
    execution = IN_STATUS[status]()

    {**ACTS, **DECISIONS}[event](execution)

    assert recorded(execution) == [event]
    assert execution.status is (LIFECYCLE[event].target or status)


@pytest.mark.parametrize(
    ("status", "event"),
    cases([act for act in ACTS if act is not e.CancellationRequested], allowed=False),
)
def test_an_act_that_the_table_forbids_is_refused(status: Status, event: type[Event]) -> None:
    execution = IN_STATUS[status]()
    before = state_of(execution)

    with pytest.raises(IllegalTransition) as refusal:
        ACTS[event](execution)

    assert (refusal.value.status, refusal.value.details["event"]) == (status, event.TYPE)
    assert state_of(execution) == before
    assert recorded(execution) == []


@pytest.mark.parametrize(("status", "event"), cases(DECISIONS, allowed=False))
def test_a_decision_nobody_waits_for_is_refused(status: Status, event: type[Event]) -> None:
    execution = IN_STATUS[status]()
    before = state_of(execution)

    with pytest.raises(AlreadyDecided) as refusal:
        DECISIONS[event](execution)

    assert refusal.value.details == {"approval_id": APPROVAL_ID, "status": status}
    assert state_of(execution) == before
    assert recorded(execution) == []


# Starting


def test_starting_says_who_works_and_for_which_time(pending: Execution) -> None:
    pending.start(STAMP, "worker-1")

    assert (newest(pending).worker, newest(pending).attempt) == ("worker-1", 1)
    assert (newest(pending).previous, newest(pending).status) == (Status.PENDING, Status.RUNNING)


def test_starting_after_a_lost_worker_is_another_attempt(running: Execution) -> None:
    running.lose_worker(STAMP, None)

    running.start(STAMP, "worker-2")

    assert newest(running).attempt == 2


def test_starting_after_an_approval_is_the_same_attempt(approved: Execution) -> None:
    approved.start(STAMP, "worker-1")

    assert newest(approved).attempt == 1


# Frames


def test_frames_are_recorded_in_the_order_given(running: Execution) -> None:
    frames = [
        frame(e.Thought, content="first"),
        frame(e.ContentStreamed, content="second"),
        frame(e.Thought, content="third"),
    ]

    running.append(STAMP, frames)

    assert recorded(running) == [e.Thought, e.ContentStreamed, e.Thought]
    assert [event.originator_version for event in running.pending_events] == [3, 4, 5]
    assert running.version == 5


def test_a_frame_keeps_the_bytes_it_came_with(running: Execution) -> None:
    running.append(STAMP, [frame(e.Thought, content="Sn\N{SNOWMAN}w")])

    event = newest(running)
    assert isinstance(event, EncodedEvent)
    assert event.state.endswith(b'}\n{"content":"Sn\xe2\x98\x83w"}')


def test_frames_and_usage_share_one_sequence(running: Execution) -> None:
    running.append(STAMP, [frame(e.Thought, content="a"), frame(e.Thought, content="b")])

    running.record_usage(STAMP, {"model": "m"})
    running.append(STAMP, [frame(e.Thought, content="c")])

    assert [event.originator_version for event in running.pending_events] == [3, 4, 5, 6]


def test_no_frames_record_nothing(running: Execution) -> None:
    running.append(STAMP, [])

    assert recorded(running) == []


# Usage and totals


def test_the_end_says_what_was_spent_in_all(running: Execution) -> None:
    spent = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    running.record_usage(STAMP, {"model": "m", **spent, "cost_usd": Decimal("0.10")})
    running.record_usage(STAMP, {"model": "m", **spent, "cost_usd": Decimal("0.20")})

    running.complete(STAMP, {})

    totals = newest(running).totals
    assert totals.cost_usd == Decimal("0.30")
    assert totals.token_usage.total_tokens == 30
    assert totals.unpriced_tokens == 0


def test_a_cost_nobody_knows_is_no_cost_and_its_tokens_are_unpriced(running: Execution) -> None:
    running.record_usage(STAMP, {"model": "m", "prompt_tokens": 7, "total_tokens": 7})

    running.complete(STAMP, {})

    totals = newest(running).totals
    assert (totals.cost_usd, totals.unpriced_tokens) == (None, 7)


def test_an_execution_that_spent_nothing_ends_with_no_cost(running: Execution) -> None:
    running.complete(STAMP, {})

    assert newest(running).totals == Totals()


def test_the_duration_runs_from_the_start_to_the_end(pending: Execution) -> None:
    pending.start(later(1), "worker-1")

    pending.complete(later(2.5), {})

    assert newest(pending).duration_ms == 1500


def test_the_duration_goes_by_the_times_at_which_things_happened(pending: Execution) -> None:
    pending.start(STAMP, "worker-1", NOON - timedelta(hours=1))

    pending.complete(STAMP, {}, NOON - timedelta(minutes=59))

    assert newest(pending).duration_ms == 60_000


def test_a_duration_is_never_negative(running: Execution) -> None:
    running.complete(STAMP, {}, NOON - timedelta(hours=1))

    assert newest(running).duration_ms == 0


def test_the_duration_spans_every_attempt(running: Execution) -> None:
    running.lose_worker(later(10), None)
    running.start(later(20), "worker-2")

    running.complete(later(30), {})

    assert newest(running).duration_ms == 30_000


def test_an_execution_that_never_started_has_no_duration(pending: Execution) -> None:
    pending.cancel(STAMP, None)

    assert newest(pending).duration_ms is None


# Approvals


def test_another_approval_id_is_refused(awaiting: Execution) -> None:
    with pytest.raises(AlreadyDecided):
        awaiting.approve(STAMP, "another", None)

    assert recorded(awaiting) == []


def test_deciding_twice_is_refused(awaiting: Execution) -> None:
    awaiting.approve(STAMP, APPROVAL_ID, None)
    awaiting.pending_events.clear()

    with pytest.raises(AlreadyDecided):
        awaiting.reject(STAMP, APPROVAL_ID, "no, wait")

    assert recorded(awaiting) == []


def test_what_was_cancelled_waits_for_no_decision(awaiting: Execution) -> None:
    awaiting.cancel(STAMP, None)

    with pytest.raises(AlreadyDecided):
        awaiting.approve(STAMP, APPROVAL_ID, None)

    assert recorded(awaiting) == [e.Cancelled]


def test_one_approval_may_follow_another(approved: Execution) -> None:
    approved.start(STAMP, "worker-1")
    approved.request_approval(STAMP, given.approval(approval_id="second"))

    approved.approve(STAMP, "second", "fine")

    assert recorded(approved) == [e.Started, e.ApprovalRequested, e.Approved]


@pytest.mark.parametrize("output", [{"answer": 42}, {}])
def test_approving_a_result_that_was_held_back_completes_with_it(output: dict[str, Any]) -> None:
    parked = given.awaiting(held_back=True, payload={"output": output})

    parked.approve(STAMP, APPROVAL_ID, "good work")

    assert recorded(parked) == [e.Approved, e.Completed]
    assert newest(parked).output == output


def test_an_output_in_a_payload_that_was_not_held_back_completes_nothing() -> None:
    parked = given.awaiting(payload={"output": {"answer": 42}})

    parked.approve(STAMP, APPROVAL_ID, None)

    assert recorded(parked) == [e.Approved]


def test_rejecting_a_result_that_was_held_back_discards_it() -> None:
    parked = given.awaiting(held_back=True, payload={"output": {}})

    parked.reject(STAMP, APPROVAL_ID, "no")

    assert recorded(parked) == [e.Rejected]


# Cancelling


def test_cancelling_a_running_execution_asks_its_worker(running: Execution) -> None:
    running.cancel(STAMP, "too slow")

    assert recorded(running) == [e.CancellationRequested]
    assert newest(running).reason == "too slow"


@pytest.mark.parametrize(
    "status", [Status.PENDING, Status.AWAITING_APPROVAL, Status.APPROVED], ids=str
)
def test_cancelling_what_nobody_works_on_stops_it_at_once(status: Status) -> None:
    execution = IN_STATUS[status]()

    execution.cancel(STAMP, None)

    assert recorded(execution) == [e.Cancelled]


def test_asking_twice_to_cancel_records_one_request(running: Execution) -> None:
    running.cancel(STAMP, None)
    running.pending_events.clear()

    running.cancel(STAMP, None)

    assert recorded(running) == []


def test_the_worker_confirms_a_cancellation(running: Execution) -> None:
    running.cancel(STAMP, None)

    running.cancel(STAMP, None, confirm=True)

    assert recorded(running) == [e.CancellationRequested, e.Cancelled]


def test_a_confirmed_cancellation_keeps_the_reason_of_the_request(running: Execution) -> None:
    running.cancel(STAMP, "too slow")

    running.cancel(STAMP, None, confirm=True)

    assert newest(running).reason == "too slow"


def test_work_that_was_done_before_the_worker_heard_of_it_still_counts(running: Execution) -> None:
    running.cancel(STAMP, None)

    running.complete(STAMP, {})

    assert recorded(running) == [e.CancellationRequested, e.Completed]


# Scores and remarks


def test_a_completed_execution_can_still_be_scored(completed: Execution) -> None:
    completed.score(STAMP, {"score_id": "s", "name": "quality", "value": 0.5})

    assert recorded(completed) == [e.Scored]


def test_a_score_that_was_never_given_cannot_be_withdrawn(completed: Execution) -> None:
    with pytest.raises(NotFound):
        completed.remove_score(STAMP, "s")

    assert recorded(completed) == []


def test_a_score_is_withdrawn_once(completed: Execution) -> None:
    completed.score(STAMP, {"score_id": "s", "name": "quality"})
    completed.remove_score(STAMP, "s")

    with pytest.raises(NotFound):
        completed.remove_score(STAMP, "s")

    assert recorded(completed) == [e.Scored, e.ScoreRemoved]


# Envelopes


def test_every_event_says_who_acted_and_on_which_trace(pending: Execution) -> None:
    pending.start(STAMP, "worker-1")

    envelope = newest(pending).envelope
    assert (envelope.stamp, envelope.trace_id) == (STAMP, given.TRACE_ID)


def test_every_event_has_an_id_of_its_own(running: Execution) -> None:
    running.record_usage(STAMP, {"model": "m"})
    running.complete(STAMP, {})

    pending = running.pending_events
    assert len({event.envelope.id for event in pending if isinstance(event, Event)}) == 2


def test_a_worker_that_begins_anew_after_an_approval_is_another_attempt(
    approved: Execution,
) -> None:
    first = approved.attempt

    approved.start(STAMP, "another worker")

    assert approved.attempt == first + 1
