from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ledger import commands as c
from ledger.approval_policy import ApprovalPolicy
from ledger.errors import InvalidInput, InvalidUsage, NotFound
from ledger.events import Thought
from ledger.frames import UsageReport
from ledger.strict_json import InvalidJson
from ledger.unit import Policy
from ledger.usage import Price
from tests.given import NOON, frame
from tests.recording import Recording, created, recording, topics

PRICE = Price(input=Decimal(2), output=Decimal(8), source="table")
POLICY = Policy({"priced": PRICE})


@pytest.fixture(name="open_")
def open_fixture(tmp_path: Path) -> Iterator[Recording]:
    with recording(tmp_path, policy=POLICY) as open_:
        yield open_


@pytest.fixture(name="agent_id")
def agent_fixture(open_: Recording) -> str:
    return open_.do(c.RegisterAgent("Writer")).id


def version(**facts: Any) -> dict[str, Any]:
    return {"version": "1.0", "config": {}, "input_schema": {}, "given": {}, **facts}


# Creating


def test_a_run_of_an_agent_nobody_knows_makes_it_known(open_: Recording) -> None:
    first, second = open_.do(created()), open_.do(created())

    assert topics(first) == ["name.claimed.v1", "agent.registered.v1", "execution.created.v1"]
    assert topics(second) == ["execution.created.v1"]
    agent_ids = {receipt.events[-1].facts["agent_id"] for receipt in (first, second)}
    assert agent_ids == {first.events[1].id}


def test_a_run_has_the_version_in_force_unless_it_names_one(
    open_: Recording, agent_id: str
) -> None:
    versions = [open_.do(c.AddVersion(agent_id, version())).subject for _ in range(2)]

    default = open_.do(created(agent_id=agent_id))
    named = open_.do(created(agent_id=agent_id, version_id=versions[1]))

    assert [each.events[-1].facts["agent_version_id"] for each in (default, named)] == versions


def test_an_input_that_does_not_satisfy_the_schema_records_nothing(
    open_: Recording, agent_id: str
) -> None:
    open_.do(c.AddVersion(agent_id, version(input_schema={"required": ["q"]})))
    before = open_.log()

    with pytest.raises(InvalidInput):
        open_.do(created(agent_id=agent_id, input={}))

    assert open_.log() == before


def test_a_refused_run_of_an_unknown_agent_does_not_register_it(open_: Recording) -> None:
    with pytest.raises(NotFound):
        open_.do(created(parent_execution_id="nobody"))

    assert open_.log() == []


def test_a_child_shares_root_and_trace_with_its_parent(open_: Recording) -> None:
    root = open_.do(created())
    child = open_.do(created(parent_execution_id=root.id))
    grandchild = open_.do(created(parent_execution_id=child.id))

    facts = [receipt.events[-1].facts for receipt in (root, child, grandchild)]
    assert {each["root_execution_id"] for each in facts} == {root.id}
    assert len({each["trace_id"] for each in facts}) == 1
    assert [each.get("parent_execution_id") for each in facts] == [None, root.id, child.id]


def test_a_run_keeps_the_trace_that_it_was_asked_on(open_: Recording) -> None:
    receipt = open_.do(created(trace_id="4bf92f3577b34da6a3ce929d0e0e4736"))

    assert receipt.events[-1].facts["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert receipt.events[-1].envelope["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_an_integer_beyond_64_bits_is_refused_like_any_input(open_: Recording) -> None:
    with pytest.raises(InvalidJson, match=r"input\.n|n needs more"):
        open_.do(created(input={"n": 2**64}))

    assert open_.log() == []


# Frames and usage


def test_a_batch_of_frames_and_usage_keeps_its_order(open_: Recording) -> None:
    id_ = open_.running()
    thought = frame(Thought, content="hm")
    usage = UsageReport(model="priced", prompt_tokens=500_000, completion_tokens=250_000)

    receipt = open_.do(c.Append(id_, [thought, usage, usage, thought]))

    assert [topic.split(".")[1] for topic in topics(receipt)] == [
        "thought",
        "usage_recorded",
        "usage_recorded",
        "thought",
    ]
    assert receipt.events[1].facts["cost_usd"] == "3"
    price = receipt.events[1].facts["price"]
    assert (price["input"], price["output"], price["source"]) == ("2", "8", "table")
    assert [(row["unit"], row["count"], row["usd"]) for row in price["rows"]] == [
        ("input_tokens", 500_000, "2"),
        ("output_tokens", 250_000, "8"),
    ]


def test_a_usage_that_says_nothing_but_in_its_own_words_is_refused(open_: Recording) -> None:
    id_ = open_.running()
    foreign = UsageReport(model="priced", raw={"input_tokens": 5})

    with pytest.raises(InvalidUsage, match="missing"):
        open_.do(c.Append(id_, [foreign]))

    assert open_.ledger.last_version(id_) == 2


def test_one_usage_that_cannot_be_true_refuses_the_whole_batch(open_: Recording) -> None:
    id_ = open_.running()
    impossible = UsageReport(model="priced", prompt_tokens=1, cached_tokens=2)

    with pytest.raises(InvalidUsage):
        open_.do(c.Append(id_, [frame(Thought, content="hm"), impossible]))

    assert open_.ledger.last_version(id_) == 2


# Ending otherwise


def test_cancelling_what_ended_changes_nothing(open_: Recording) -> None:
    id_ = open_.running()
    open_.do(c.Complete(id_, {}))

    receipt = open_.do(c.Cancel(id_, "too late"))

    assert (topics(receipt), receipt.version, receipt.position) == ([], 3, 0)


def test_a_failure_keeps_its_cause_and_its_trace(open_: Recording) -> None:
    id_ = open_.running()

    failed = open_.do(c.Fail(id_, "boom", "timeout", "TimeoutError", "Traceback ..."))

    facts = failed.events[-1].facts
    assert facts.items() >= {"error": "boom", "error_code": "timeout"}.items()
    assert (facts["error_type"], facts["trace"]) == ("TimeoutError", "Traceback ...")


def test_a_lost_worker_makes_way_for_another_attempt(open_: Recording) -> None:
    id_ = open_.running()

    lost = open_.do(c.LoseWorker(id_, most_attempts=2, last_heard=NOON))

    assert topics(lost) == ["execution.worker_lost.v1"]
    assert topics(open_.do(c.Start(id_, "worker-2"))) == ["execution.started.v1"]


def test_after_the_last_attempt_a_lost_worker_is_a_failure(open_: Recording) -> None:
    id_ = open_.running()

    lost = open_.do(c.LoseWorker(id_, most_attempts=1))

    assert topics(lost) == ["execution.worker_lost.v1", "execution.failed.v1"]
    assert lost.events[-1].facts["error_code"] == "worker_lost"


def test_what_workers_gave_back_counts_as_no_loss(open_: Recording) -> None:
    id_ = open_.running()
    for _ in range(3):
        given_back = open_.do(c.LoseWorker(id_, most_attempts=1, in_good_order=True))
        assert topics(given_back) == ["execution.worker_lost.v1"]
        assert given_back.events[0].facts["excused"] is True
        open_.do(c.Start(id_, "worker-2"))

    lost = open_.do(c.LoseWorker(id_, most_attempts=2))
    open_.do(c.Start(id_, "worker-3"))
    ended = open_.do(c.LoseWorker(id_, most_attempts=2))

    assert topics(lost) == ["execution.worker_lost.v1"]
    assert topics(ended) == ["execution.worker_lost.v1", "execution.failed.v1"]
    assert ended.events[-1].facts["error"] == "the worker was lost 2 times"


def test_a_worker_that_is_lost_just_after_a_no_is_excused(open_: Recording) -> None:
    id_ = open_.running()
    open_.do(c.RequestApproval(id_, "send", {}, policy=ApprovalPolicy(on_reject="resume")))
    open_.do(c.Decide(id_, approve=False))

    lost = open_.do(c.LoseWorker(id_, most_attempts=1))

    assert topics(lost) == ["execution.worker_lost.v1"]
    open_.do(c.Start(id_, "worker-2"))
    lost = open_.do(c.LoseWorker(id_, most_attempts=1))
    assert topics(lost) == ["execution.worker_lost.v1", "execution.failed.v1"]


def test_a_lost_worker_that_was_asked_to_stop_has_stopped(open_: Recording) -> None:
    id_ = open_.running()
    open_.do(c.Cancel(id_))

    lost = open_.do(c.LoseWorker(id_, most_attempts=3))

    assert topics(lost) == ["execution.worker_lost.v1", "execution.cancelled.v1"]


# Whole runs


def test_a_whole_run_is_one_append(open_: Recording) -> None:
    open_.batches.clear()
    run = c.RecordRun(
        create=created(occurred_at=NOON - timedelta(hours=2)),
        steps=[frame(Thought, content="hm"), UsageReport(model="priced", prompt_tokens=10)],
        output={"answer": 42},
        scores=[{"name": "quality", "value": 0.5}],
        completed_at=NOON - timedelta(hours=1),
    )

    receipt = open_.do(run)

    assert [topic.split(".")[1] for topic in topics(receipt)[2:]] == [
        "created",
        "started",
        "thought",
        "usage_recorded",
        "completed",
        "scored",
    ]
    assert receipt.version == 6
    assert receipt.events[6].facts["duration_ms"] == 3_600_000
    assert [batch.events for batch in open_.batches] == [8]


def test_a_whole_run_may_have_failed(open_: Recording) -> None:
    receipt = open_.do(c.RecordRun(create=created(), error="boom", error_code="timeout"))

    assert topics(receipt)[-1] == "execution.failed.v1"
    assert receipt.events[-1].facts["error_code"] == "timeout"


def test_a_whole_run_that_cannot_be_is_not_recorded_in_part(open_: Recording) -> None:
    impossible = UsageReport(model="priced", prompt_tokens=1, cached_tokens=2)

    with pytest.raises(InvalidUsage):
        open_.do(c.RecordRun(create=created(), steps=[frame(Thought, content="hm"), impossible]))

    assert open_.log() == []
