"""The fold of one execution."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ledger import events as e
from ledger.lifecycle import LIFECYCLE
from projections.execution_rows import CHANGES, TOPICS, NoSuchExecution, change, fold, touch
from projections.times import text_of
from tests.strategies import BEGINNING, History, frame, started, usage_facts


@pytest.fixture
def history() -> History:
    return History()


def row_of(history: History) -> dict[str, Any]:
    return fold(history.log)


def test_a_new_execution_is_pending_and_knows_what_it_was_made_with(history: History) -> None:
    history.create(user_id="ada", input={"q": 1}, metadata={"tenant": "t"})

    row = row_of(history)

    assert (row["status"], row["version"], row["user_id"]) == ("pending", 1, "ada")
    assert (row["session_id"], row["parent_id"]) == (None, None)
    assert (row["input"], row["output"], row["metadata"]) == ('{"q":1}', None, '{"tenant":"t"}')
    assert (row["cost"], row["cost_usd"], row["total_tokens"]) == (None, None, 0)


def test_it_was_created_when_it_happened_if_that_was_said(history: History) -> None:
    history.create(occurred_at=BEGINNING - timedelta(days=1))

    assert text_of(row_of(history)["created_at"]) == "2026-01-30T12:00:00.000000Z"
    assert text_of(row_of(history)["updated_at"]) == "2026-01-31T12:00:00.000000Z"


def test_frames_count_and_change_nothing_else(history: History) -> None:
    execution = started(history, history.create())
    before = row_of(history)
    history.now += timedelta(seconds=5)

    frames = [frame(e.Thought, content="hm"), frame(e.ContentStreamed, content="well")]
    history.do(execution, lambda stamp: execution.append(stamp, frames))

    after = row_of(history)
    assert after.pop("version") == before.pop("version") + 2 == 4
    assert after.pop("updated_at") - before.pop("updated_at") == 5_000_000
    assert after == before


def test_the_frames_of_a_history_may_be_left_out_but_for_the_last(history: History) -> None:
    execution = started(history, history.create())
    frames = [frame(e.Thought, content=text) for text in "abc"]
    history.do(execution, lambda stamp: execution.append(stamp, frames))

    assert fold(history.log[:2], history.log[-1]) == fold(history.log)


def test_usage_adds_up_and_what_has_no_price_is_not_free(history: History) -> None:
    execution = started(history, history.create())
    reports = [
        usage_facts("m1", "0.0000000015", prompt_tokens=3, completion_tokens=4, cached_tokens=2),
        usage_facts("m2", None, prompt_tokens=10, reasoning_tokens=0),
        usage_facts("m1", "0.1", completion_tokens=1),
    ]

    for facts in reports:
        execution.record_usage(history.stamp("acme"), facts)
    history.save(execution)

    row = row_of(history)

    assert (row["prompt_tokens"], row["completion_tokens"], row["total_tokens"]) == (13, 5, 18)
    assert (row["cached_tokens"], row["reasoning_tokens"]) == (2, 0)
    assert row["cache_creation_tokens"] is None
    assert (row["cost"], row["cost_usd"]) == (100_000_002, "0.1000000015")
    assert (row["unpriced_tokens"], row["models"]) == (10, '["m1","m2"]')
    assert Decimal(row["cost_usd"]) == execution.totals.cost_usd


def test_a_parked_execution_shows_its_approval_until_it_is_decided(history: History) -> None:
    execution = started(history, history.create())
    facts = {
        "approval_id": "approval-1",
        "checkpoint_name": "review",
        "payload": {"output": {"answer": 42}},
        "payload_digest": "",
        "held_back": True,
        "expires_at": BEGINNING,
    }
    history.do(execution, lambda stamp: execution.request_approval(stamp, facts))
    parked = row_of(history)

    history.do(execution, lambda stamp: execution.approve(stamp, "approval-1", None))

    assert (parked["status"], parked["approval_id"]) == ("awaiting_approval", "approval-1")
    assert text_of(parked["approval_expires_at"]) == "2026-01-31T12:00:00.000000Z"
    done = row_of(history)
    assert (done["status"], done["output"]) == ("completed", '{"answer":42}')
    assert (done["approval_id"], done["approval_expires_at"]) == (None, None)


def test_a_failure_leaves_its_cause_and_how_long_it_took(history: History) -> None:
    execution = started(history, history.create())
    history.now += timedelta(seconds=2)

    facts = {"error": "boom", "error_code": "timeout"}
    history.do(execution, lambda stamp: execution.fail(stamp, facts))

    row = row_of(history)
    assert (row["status"], row["error"], row["error_code"]) == ("failed", "boom", "timeout")
    assert row["duration_ms"] == 2_000
    assert row["completed_at"] - row["started_at"] == 2_000_000


def test_a_second_attempt_keeps_the_first_start(history: History) -> None:
    execution = started(history, history.create())
    first = row_of(history)["started_at"]
    history.now += timedelta(seconds=9)
    history.do(execution, lambda stamp: execution.lose_worker(stamp, None))
    assert row_of(history)["status"] == "pending"

    history.do(execution, lambda stamp: execution.start(stamp, "worker-2"))

    row = row_of(history)
    assert (row["started_at"], row["attempt"], row["worker"]) == (first, 2, "worker-2")


def test_a_wish_to_cancel_is_seen_before_it_is_granted(history: History) -> None:
    execution = started(history, history.create())

    history.do(execution, lambda stamp: execution.cancel(stamp, "enough"))

    assert row_of(history)["cancellation_requested"] is True
    assert row_of(history)["status"] == "running"


def test_metadata_is_merged_by_key_and_numbers_keep_their_digits(history: History) -> None:
    execution = history.create(metadata={"a": 1, "b": {"c": 2}})

    history.do(execution, lambda stamp: execution.annotate(stamp, {"b": None, "d": [1]}))

    assert row_of(history)["metadata"] == '{"a":1,"b":null,"d":[1]}'


def test_every_fact_but_frames_and_scores_changes_the_row() -> None:
    counting = {e.Scored.TOPIC, e.ScoreRemoved.TOPIC}
    changing = {event.TOPIC for event in LIFECYCLE if not issubclass(event, e.Frame)}

    assert set(CHANGES) == changing - counting
    assert {event.TOPIC for event in LIFECYCLE} | {e.Created.TOPIC} == TOPICS


def test_an_event_without_a_beginning_is_refused(history: History) -> None:
    started(history, history.create())

    with pytest.raises(NoSuchExecution):
        change(None, history.log[1])
    with pytest.raises(NoSuchExecution):
        fold([])


def test_folding_leaves_the_row_it_began_with_alone(history: History) -> None:
    started(history, history.create())
    before = change(None, history.log[0])
    copy = dict(before)

    touch(change(before, history.log[1]), history.log[1])

    assert before == copy
