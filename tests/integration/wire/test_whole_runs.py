"""Recording whole runs in one request: as one JSON object, or many as lines."""

import asyncio
from typing import Any

import orjson
import pytest

from ledger import order_queue
from tests.integration.api import Api, Json, Reply, assert_problem

SETTINGS = {"prices": {"gpt-p": {"input": "1", "output": "2"}}}
pytestmark = [pytest.mark.both_stores, pytest.mark.asyncio(loop_scope="module")]

RUN: Json = {
    "agent": "Scribe",
    "input": {"q": 1},
    "metadata": {"tenant": "x"},
    "frames": [
        {"type": "thinking", "content": "hm", "at": "2001-02-03T04:05:07Z"},
        {"type": "usage", "model": "gpt-p", "prompt_tokens": 10},
        {"type": "content", "content": "Dear"},
    ],
    "usage": [{"model": "gpt-p", "completion_tokens": 10}],
    "scores": [{"name": "tone", "value": 0.5}],
    "output": {"text": "Dear Ada"},
    "created_at": "2001-02-03T04:05:06Z",
    "started_at": "2001-02-03T04:05:06.5Z",
    "completed_at": "2001-02-03T04:05:09Z",
}


def run(**facts: Any) -> Json:
    return {**RUN, **facts}


async def lines(api: Api, *runs: Any) -> Reply:
    body = b"\n".join(each if isinstance(each, bytes) else orjson.dumps(each) for each in runs)
    headers = {"Content-Type": "application/x-ndjson"}
    return await api.call("POST", "/executions/record", body=body, headers=headers)


async def total(api: Api) -> int:
    number: int = (await api.get("/executions")).meta["total"]
    return number


async def test_a_whole_run_is_shown_as_it_was_told(api: Api) -> None:
    recorded = await api.post("/executions/record", RUN)

    execution = (await api.get(f"/executions/{recorded.data['id']}")).data
    scores = (await api.get("/scores")).data
    assert (recorded.status, recorded.data["version"]) == (201, execution["version"])
    assert {name: execution[name] for name in ("input", "metadata", "output")} == {
        name: RUN[name] for name in ("input", "metadata", "output")
    }
    assert (execution["status"], execution["cost_usd"]) == ("completed", "0.00003")
    assert (execution["total_tokens"], execution["duration_ms"]) == (20, 2500)
    assert [(score["name"], score["value"]) for score in scores] == [("tone", 0.5)]


async def test_times_of_the_caller_stand_beside_the_servers_own(api: Api) -> None:
    id_ = (await api.post("/executions/record", RUN)).data["id"]

    execution = (await api.get(f"/executions/{id_}")).data
    events = (await api.get(f"/executions/{id_}/events")).data
    times = [execution[name] for name in ("created_at", "started_at", "completed_at")]
    assert times == [
        "2001-02-03T04:05:06.000000Z",
        "2001-02-03T04:05:06.500000Z",
        "2001-02-03T04:05:09.000000Z",
    ]
    assert {event["data"].get("occurred_at", "")[:4] for event in events[:3]} == {"2001"}
    assert len({event["at"] for event in events}) == 1
    assert events[0]["at"] > "2020"


async def test_a_run_is_one_append(api: Api) -> None:
    ids = [reply.data["id"] for reply in await asyncio.gather(
        *(api.post("/executions/record", RUN) for _ in range(10))
    )]  # fmt: skip

    for id_ in ids:
        events = (await api.get(f"/executions/{id_}/events")).data
        first = events[0]["position"]
        assert [event["sequence"] for event in events] == list(range(1, 9))
        assert [event["position"] for event in events] == list(range(first, first + 8))


async def test_a_run_is_seen_whole_or_not_at_all(api: Api) -> None:
    recording = asyncio.gather(*(api.post("/executions/record", RUN) for _ in range(20)))

    seen: set[tuple[str, int]] = set()
    while not recording.done():
        found = (await api.get("/executions", limit=100)).data
        seen |= {(each["status"], each["version"]) for each in found}

    await recording
    assert seen <= {("completed", 8)}


@pytest.mark.parametrize(
    ("facts", "code", "mentions"),
    [
        ({"error": "e"}, "validation_error", "output and error"),
        ({"agent_id": "x"}, "validation_error", "agent, agent_id"),
        ({"frames": [{"type": "content"}]}, "validation_error", "frames[0].content: Field"),
        ({"frames": [7]}, "validation_error", "frames[0]: Input should be an object"),
        ({"usage": [{"model": "m", "total_tokens": 3}]}, "invalid_usage", "total_tokens"),
        ({"scores": [{"name": ""}]}, "validation_error", "scores[0].name"),
        ({"scores": [{"name": "a"}]}, "validation_error", "scores[0]: a numeric score needs"),
        ({"secret": 1}, "validation_error", "secret"),
    ],
)
async def test_a_run_with_a_fault_anywhere_is_not_recorded_at_all(
    api: Api, facts: Json, code: str, mentions: str
) -> None:
    reply = await api.post("/executions/record", run(**facts))

    assert_problem(reply, 400, code, mentions)
    assert await total(api) == 0
    assert (await api.get("/agents")).data == []


async def test_a_failed_run_keeps_its_cause(api: Api) -> None:
    failed = {"agent": "Scribe", "error": "no more", "error_code": "timeout"}

    id_ = (await api.post("/executions/record", failed)).data["id"]

    execution = (await api.get(f"/executions/{id_}")).data
    assert (execution["status"], execution["error_code"]) == ("failed", "timeout")


async def test_each_line_has_its_verdict_and_a_bad_one_does_not_stop_the_others(
    api: Api,
) -> None:
    reply = await lines(
        api, run(user_id="1"), b"{", b"", run(frames=7), b"[]", run(agent="Poet", user_id="2")
    )

    verdicts = {verdict["line"]: verdict for verdict in reply.data}
    assert reply.status == 200
    assert {n: v.get("error", {}).get("code") for n, v in verdicts.items()} == {
        1: None, 2: "validation_error", 4: "validation_error", 5: "validation_error", 6: None,
    }  # fmt: skip
    assert "line 2" in verdicts[2]["error"]["message"]
    assert {verdicts[n]["id"] for n in (1, 6)} == set((await api.get("/executions")).ids)


async def test_a_line_sent_again_is_recorded_once(api: Api) -> None:
    first = await lines(api, run(user_id="1"), run(user_id="2"))
    again = await lines(api, run(user_id="2"), run(user_id="3"), run(user_id="1"))

    assert [verdict["repeated"] for verdict in again.data] == [True, False, True]
    assert [again.data[n]["id"] for n in (2, 0)] == [verdict["id"] for verdict in first.data]
    assert [again.data[n]["version"] for n in (2, 0)] == [v["version"] for v in first.data]
    assert await total(api) == 3


async def test_equal_lines_of_one_request_are_one_run(api: Api) -> None:
    reply = await lines(api, *[RUN] * 5)

    assert len({verdict["id"] for verdict in reply.data}) == 1
    assert await total(api) == 1


async def test_the_same_line_in_another_workspace_is_another_run(api: Api) -> None:
    theirs = api.using("", "another-workspace")

    ours, other = await lines(api, RUN), await lines(theirs, RUN)

    assert other.data[0]["repeated"] is False
    assert other.data[0]["id"] != ours.data[0]["id"]


async def test_a_key_of_its_own_records_a_run_once_as_an_object_or_a_line(api: Api) -> None:
    keyed = run(idempotency_key="run-7")

    first = await api.post("/executions/record", keyed)
    again = await api.post("/executions/record", keyed)
    line = await lines(api, keyed, run(idempotency_key="run-7", user_id="other"))

    assert (again.data["id"], again.data["repeated"]) == (first.data["id"], True)
    assert line.data[0]["id"] == first.data["id"]
    assert line.data[1]["error"]["code"] == "idempotency_mismatch"
    assert await total(api) == 1


async def test_a_key_in_the_header_records_a_run_once(api: Api) -> None:
    key = {"Idempotency-Key": "k"}

    replies = [await api.call("POST", "/executions/record", RUN, headers=key) for _ in "ab"]

    assert replies[0].data["id"] == replies[1].data["id"]
    assert await total(api) == 1


@pytest.mark.parametrize("body", [b"", b"\n\n"])
async def test_no_lines_have_no_verdicts(api: Api, body: bytes) -> None:
    assert (await lines(api, body)).data == []


async def test_too_many_lines_are_refused_before_any_is_recorded(api: Api) -> None:
    reply = await lines(api, *[b"{}"] * 10_001)

    assert_problem(reply, 400, "validation_error", "10001 lines")


async def test_more_lines_than_the_writer_lets_wait_are_all_recorded(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_queue, "MOST_WAITING", 600)
    least = (b'{"agent":"Scribe","user_id":"%d"}' % n for n in range(1_300))

    reply = await lines(api, *least)

    assert [verdict for verdict in reply.data if "error" in verdict] == []
    assert await total(api) == 1_300


async def test_a_run_told_by_its_start_and_end_counts_when_it_was(api: Api) -> None:
    told: Json = {"agent": "Scribe", "started_at": "2001-02-03T04:05:06Z"}
    told |= {"completed_at": "2001-02-03T04:05:07Z", "usage": [{"model": "m", "prompt_tokens": 7}]}

    await api.post("/executions/record", {**told, "output": {}})

    assert (await api.get("/executions", created_before="2001-02-04T00:00:00Z")).meta["total"] == 1
    costs = (await api.get("/costs/summary", from_="2001-02-03", to="2001-02-03")).data
    assert (costs["total_executions"], costs["total_tokens"]) == (1, 7)


async def test_a_run_cannot_end_before_it_began(api: Api) -> None:
    turned = run(completed_at="2001-02-03T04:05:00Z")

    refusal = await api.post("/executions/record", turned)

    assert_problem(refusal, 400, "validation_error", "completed_at")


async def test_usage_in_words_that_nobody_knows_is_refused_rather_than_counted_as_none(
    api: Api,
) -> None:
    usage = [{"model": "gpt-4o", "raw": {"eaten": 10, "drunk": 3}}]

    refusal = await api.post("/executions/record", run(usage=usage))

    assert_problem(refusal, 400, "invalid_usage", "prompt_tokens")


async def test_usage_in_the_providers_words_alone_is_read_and_priced(api: Api) -> None:
    usage = [{"model": "gpt-4o", "raw": {"prompt_tokens": 10, "completion_tokens": 4}}]

    recorded = (await api.post("/executions/record", run(usage=usage, frames=[]))).data

    execution = (await api.get(f"/executions/{recorded['id']}")).data
    assert (execution["total_tokens"], execution["unpriced_tokens"]) == (14, 0)
    assert execution["cost_usd"] == "0.000065"  # 10 x 2.50 + 4 x 10 per million
