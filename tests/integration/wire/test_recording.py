"""Recording a run from outside, request by request."""

import asyncio
from typing import Any

import pytest

from tests.integration.api import Api, Json, Reply, assert_problem
from tests.integration.conftest import started

PRICES = {"gpt-p": {"input": "2.50", "output": "10", "cached_input": "1.25"}}
LONG_AGO = "2001-02-03T04:05:06.000007Z"


SETTINGS = {"prices": PRICES}
pytestmark = [pytest.mark.both_stores, pytest.mark.asyncio(loop_scope="module")]


async def shown(api: Api, id_: str) -> Json:
    execution: Json = (await api.get(f"/executions/{id_}")).data
    return execution


async def types_of(api: Api, id_: str) -> list[str]:
    return [event["type"] for event in (await api.get(f"/executions/{id_}/events")).data]


async def test_a_run_is_announced_for_an_agent_by_its_id(api: Api, agent: Json) -> None:
    announced = {
        "agent_id": agent["id"],
        "input": {"q": [1, None]},
        "metadata": {"tenant": "x"},
        "session_id": "s",
        "user_id": "u",
    }

    reply = await api.post("/executions", announced)

    execution = await shown(api, reply.data["id"])
    assert (reply.status, reply.data["version"], reply.headers["ETag"]) == (201, 1, '"v1"')
    assert {name: execution[name] for name in announced} == announced
    assert (execution["status"], execution["mode"]) == ("pending", "record")


async def test_an_agent_named_for_the_first_time_is_registered_once(api: Api) -> None:
    first, second = [(await api.post("/executions", {"agent": "New"})).data["id"] for _ in "ab"]

    agents = await api.get("/agents")
    ids = {(await shown(api, id_))["agent_id"] for id_ in (first, second)}
    assert [agent["name"] for agent in agents.data] == ["New"]
    assert ids == set(agents.ids)


@pytest.mark.parametrize("both", [True, False])
async def test_an_agent_is_given_by_one_of_the_two_ways(api: Api, agent: Json, both: bool) -> None:
    body = {"agent_id": agent["id"], "agent": "Scribe"} if both else {"input": {}}

    reply = await api.post("/executions", body)

    assert_problem(reply, 400, "validation_error", "agent, agent_id")
    assert (await api.get("/executions")).data == []


async def test_an_agent_nobody_knows_is_not_found(api: Api) -> None:
    assert_problem(await api.post("/executions", {"agent_id": "0" * 27}), 404, "not_found")


async def test_when_it_happened_stands_beside_when_it_was_recorded(api: Api) -> None:
    body = {"agent": "Scribe", "created_at": LONG_AGO}

    id_ = (await api.post("/executions", body)).data["id"]

    (event,) = (await api.get(f"/executions/{id_}/events")).data
    assert event["data"]["occurred_at"] == LONG_AGO
    assert event["at"] > "2020"
    assert (await shown(api, id_))["created_at"] == LONG_AGO


@pytest.mark.parametrize("time", ["2001-02-03", "2001-02-03T04:05:06", "1969-12-31T23:59:59Z", 1])
async def test_a_time_without_a_zone_or_out_of_bounds_is_refused(api: Api, time: Any) -> None:
    reply = await api.post("/executions", {"agent": "Scribe", "created_at": time})

    assert_problem(reply, 400, "validation_error", "created_at")


async def test_an_unknown_key_is_refused_by_its_path(api: Api, running: str) -> None:
    for path, body, named in [
        ("/executions", {"agent": "Scribe", "inputs": {}}, "inputs"),
        (f"/executions/{running}/complete", {"result": {}}, "result"),
        (f"/executions/{running}/frames", [{"type": "content", "content": "", "x": 1}], "x"),
        (f"/executions/{running}/usage", {"model": "m", "tokens": 1}, "tokens"),
        (f"/executions/{running}/fail", {"error": "e", "error_code": "bad luck"}, "error_code"),
    ]:
        assert_problem(await api.post(path, body), 400, "validation_error", named)


async def test_a_whole_run_is_recorded_step_by_step(api: Api, agent: Json) -> None:
    id_ = (await api.post("/executions", {"agent_id": agent["id"]})).data["id"]
    path = f"/executions/{id_}"
    await api.post(f"{path}/start", {"worker": "w"})
    await api.post(f"{path}/frames", {"type": "content", "content": "Dear"})
    await api.post(f"{path}/annotate", {"metadata": {"k": "v"}})

    ended = await api.post(f"{path}/complete", {"output": {"text": "Dear Ada"}})

    execution = await shown(api, id_)
    assert (ended.data["version"], ended.headers["ETag"]) == (5, '"v5"')
    assert (execution["status"], execution["output"]) == ("completed", {"text": "Dear Ada"})
    assert (execution["worker"], execution["metadata"]) == ("w", {"k": "v"})
    assert await types_of(api, id_) == [
        "created", "started", "content_streamed", "annotated", "completed",
    ]  # fmt: skip


async def test_a_run_that_fails_says_why(api: Api, running: str) -> None:
    body = {"error": "no more", "error_code": "budget_exceeded", "trace": "Traceback ..."}

    await api.post(f"/executions/{running}/fail", body)

    execution = await shown(api, running)
    facts = [execution[name] for name in ("status", "error", "error_code", "output")]
    assert facts == ["failed", "no more", "budget_exceeded", None]
    assert "Traceback" not in str(execution)


CONTENT = {"type": "content", "content": "x"}


@pytest.mark.parametrize(
    ("end", "body"), [("complete", {"output": {"n": 1}}), ("fail", {"error": "no more"})]
)
async def test_the_last_frames_may_come_with_the_end_in_one_append(
    api: Api, running: str, end: str, body: Json
) -> None:
    usage = {"type": "usage", "model": "gpt-p", "prompt_tokens": 1_000_000}

    ended = await api.post(f"/executions/{running}/{end}", {**body, "frames": [CONTENT, usage]})

    types = await types_of(api, running)
    assert types[2:4] == ["content_streamed", "usage_recorded"]
    assert types[4:] == [{"complete": "completed", "fail": "failed"}[end]]
    assert ended.data["version"] == len(types)
    assert (await shown(api, running))["cost_usd"] == "2.5"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"type": "content"}, "validation_error"),
        ({"type": "usage", "model": "m", "prompt_tokens": 1, "cached_tokens": 5}, "invalid_usage"),
    ],
)
async def test_an_end_whose_frames_are_refused_is_refused(
    api: Api, running: str, frame: Json, code: str
) -> None:
    body = {"output": {}, "frames": [CONTENT, frame]}

    reply = await api.post(f"/executions/{running}/complete", body)

    assert_problem(reply, 400, code)
    assert await types_of(api, running) == ["created", "started"]


AS_ONE = (None, b'{"type":"content","content":"x"}', 1)
AS_ARRAY = (None, b'[{"type":"content","content":"x"},{"type":"thinking","content":"y"}]', 2)
AS_LINES = ("application/x-ndjson", b'{"type":"content","content":"x"}\r\n\n' * 3, 3)


@pytest.mark.parametrize(("media", "body", "number"), [AS_ONE, AS_ARRAY, AS_LINES])
async def test_frames_come_one_by_one_in_an_array_or_in_lines(
    api: Api, running: str, media: str | None, body: bytes, number: int
) -> None:
    headers = {"Content-Type": media} if media else {}

    reply = await api.call("POST", f"/executions/{running}/frames", body=body, headers=headers)

    assert reply.data["version"] == 2 + number
    assert len(await types_of(api, running)) == 2 + number


BAD_BATCHES = [
    ([CONTENT, {"type": "content"}], "frames[1].content: Field required"),
    ([CONTENT, {"type": "song"}], "frames[1].type: Input should be one of 'thinking', "),
    ([CONTENT, {"content": "x"}], "frames[1].type: Field required"),
    ([CONTENT, CONTENT, 7], "frames[2]: Input should be an object"),
    ([CONTENT, {"type": "usage", "model": "m", "prompt_tokens": -1}], "prompt_tokens"),
    ([CONTENT, {"type": "tool_start", "id": "", "name": "n"}], "id"),
    ([], "no frames"),
    (7, "frames[0]: Input should be an object"),
]


@pytest.mark.parametrize(("batch", "path"), BAD_BATCHES)
async def test_a_bad_frame_is_named_and_nothing_of_its_batch_is_recorded(
    api: Api, running: str, batch: Any, path: str
) -> None:
    reply = await api.post(f"/executions/{running}/frames", batch)

    assert_problem(reply, 400, "validation_error", path)
    assert (await shown(api, running))["version"] == 2


async def test_a_line_that_is_no_json_is_named_and_nothing_is_recorded(
    api: Api, running: str
) -> None:
    lines = b'{"type":"content","content":"x"}\n\n{"type":\n'
    headers = {"Content-Type": "application/x-ndjson"}

    reply = await api.call("POST", f"/executions/{running}/frames", body=lines, headers=headers)

    assert_problem(reply, 400, "validation_error", "line 3")
    assert (await shown(api, running))["version"] == 2


async def test_counts_among_frames_that_contradict_each_other_stop_the_whole_batch(
    api: Api, running: str
) -> None:
    usage = {"type": "usage", "model": "m", "prompt_tokens": 1, "total_tokens": 5}

    reply = await api.post(f"/executions/{running}/frames", [CONTENT, usage])

    assert_problem(reply, 400, "invalid_usage")
    assert (await shown(api, running))["version"] == 2


async def spend(api: Api, id_: str, **facts: Any) -> Reply:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, **facts}
    return await api.post(f"/executions/{id_}/usage", usage)


async def test_usage_is_priced_by_the_settings_with_the_price_beside_it(
    api: Api, running: str
) -> None:
    await spend(api, running, model="gpt-p", cached_tokens=400)

    execution = await shown(api, running)
    (event,) = (await api.get(f"/executions/{running}/events", type="usage_recorded")).data
    assert execution["cost_usd"] == "0.003"  # 600 at 2.50, 400 at 1.25, 100 at 10 per million
    assert (execution["cost"], execution["unpriced_tokens"]) == (0.003, 0)
    assert execution["token_usage"] == {
        "prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100, "cached_tokens": 400,
    }  # fmt: skip
    assert event["data"]["price"]["source"] == "settings"
    assert "reported_cost_usd" not in event["data"]


@pytest.mark.parametrize("cost", ["0.000000000001", 0.5, "0"])
async def test_a_cost_that_was_reported_wins_and_the_computed_one_is_kept(
    api: Api, running: str, cost: Any
) -> None:
    await spend(api, running, model="gpt-p", cost_usd=cost)

    execution = await shown(api, running)
    (event,) = (await api.get(f"/executions/{running}/events", type="usage_recorded")).data
    assert execution["cost_usd"] == str(cost)
    assert event["data"]["computed_cost_usd"] == "0.0035"


async def test_without_a_price_the_cost_is_unknown_and_the_tokens_are_counted(
    api: Api, running: str
) -> None:
    await spend(api, running, model="mystery")
    before = await shown(api, running)
    await spend(api, running, model="gpt-p")
    after = await shown(api, running)

    assert (before["cost"], before["cost_usd"], before["unpriced_tokens"]) == (None, None, 1100)
    assert (after["cost_usd"], after["unpriced_tokens"]) == ("0.0035", 1100)


@pytest.mark.parametrize(
    "counts",
    [{"total_tokens": 1}, {"cached_tokens": 1001}, {"reasoning_tokens": 101}],
)
async def test_counts_that_contradict_each_other_are_refused(
    api: Api, running: str, counts: Json
) -> None:
    assert_problem(await spend(api, running, model="m", **counts), 400, "invalid_usage")
    assert (await shown(api, running))["version"] == 2


async def test_an_approval_is_asked_for_and_its_id_is_told(api: Api, running: str) -> None:
    asked = {"checkpoint_name": "send", "expires_at": "2999-01-01T00:00:00Z"}

    reply = await api.post(f"/executions/{running}/approvals", asked)

    execution = await shown(api, running)
    assert (reply.status, reply.data["approval_id"]) == (201, execution["approval_id"])
    assert execution["approval_expires_at"] == "2999-01-01T00:00:00.000000Z"


STEPS = {
    "start": {},
    "frames": CONTENT,
    "usage": {"model": "m"},
    "approvals": {"checkpoint_name": "c"},
    "complete": {},
    "fail": {"error": "e"},
}
LEGAL = {
    "pending": {"start", "fail"},
    "running": {"frames", "usage", "approvals", "complete", "fail"},
    "awaiting_approval": {"fail"},
    "approved": {"start", "complete", "fail"},
    "completed": set(),
    "failed": set(),
    "cancelled": set(),
    "rejected": set(),
}


async def brought_to(api: Api, status: str) -> str:
    """An execution in a status."""
    body = {"agent": "Scribe"}
    id_: str = (await api.post("/executions", body)).data["id"]
    path = {
        "pending": (),
        "running": ("start",),
        "awaiting_approval": ("start", "approvals"),
        "approved": ("start", "approvals", "approve"),
        "completed": ("start", "complete"),
        "failed": ("fail",),
        "cancelled": ("cancel",),
        "rejected": ("start", "approvals", "deny"),
    }[status]
    for step in path:
        assert (await api.post(f"/executions/{id_}/{step}", STEPS.get(step, {}))).status < 300
    return id_


@pytest.mark.parametrize("status", LEGAL)
async def test_what_the_status_does_not_allow_is_refused_and_changes_nothing(
    api: Api, status: str
) -> None:
    for step, body in STEPS.items():
        if step not in LEGAL[status]:
            id_ = await brought_to(api, status)
            before = await shown(api, id_)
            reply = await api.post(f"/executions/{id_}/{step}", body)
            details = assert_problem(reply, 400, "illegal_transition")
            assert (details["status"], before["status"]) == (status, status)
            assert await shown(api, id_) == before


@pytest.mark.parametrize(
    ("status", "step"), [(status, step) for status in LEGAL for step in sorted(LEGAL[status])]
)
async def test_what_the_status_allows_is_recorded(api: Api, status: str, step: str) -> None:
    id_ = await brought_to(api, status)
    before = (await shown(api, id_))["version"]

    reply = await api.post(f"/executions/{id_}/{step}", STEPS[step])

    assert reply.data["version"] == before + 1


@pytest.mark.parametrize("status", LEGAL)
async def test_metadata_can_be_added_in_every_status(api: Api, status: str) -> None:
    id_ = await brought_to(api, status)

    await api.post(f"/executions/{id_}/annotate", {"metadata": {"seen": True}})

    after = await shown(api, id_)
    assert (after["metadata"], after["status"]) == ({"seen": True}, status)


async def test_what_is_no_execution_cannot_be_recorded_on(api: Api, agent: Json) -> None:
    for step, body in STEPS.items():
        for id_ in (agent["id"], "0" * 27, "x"):
            reply = await api.post(f"/executions/{id_}/{step}", body)
            assert_problem(reply, 404, "not_found")


async def keyed(api: Api, path: str, body: Json, key: str = "k", **headers: str) -> Reply:
    given = {"Idempotency-Key": key, **{n.replace("_", "-"): v for n, v in headers.items()}}
    return await api.call("POST", path, body, headers=given)


async def test_the_same_request_with_the_same_key_is_recorded_once(api: Api, running: str) -> None:
    path = f"/executions/{running}/frames"

    first = await keyed(api, path, CONTENT)
    await api.post(path, CONTENT)
    again = await keyed(api, path, CONTENT)

    assert (first.data["version"], first.data["repeated"]) == (3, False)
    assert (again.data["version"], again.data["repeated"]) == (3, True)
    assert again.headers["ETag"] == '"v3"'
    assert (await shown(api, running))["version"] == 4


async def test_twenty_requests_at_once_with_one_key_are_recorded_once(
    api: Api, running: str
) -> None:
    path = f"/executions/{running}/usage"
    usage = {"model": "gpt-p", "prompt_tokens": 1_000_000}

    replies = await asyncio.gather(*(keyed(api, path, usage) for _ in range(20)))

    assert {reply.data["version"] for reply in replies} == {3}
    assert [reply.data["repeated"] for reply in replies].count(False) == 1
    assert (await shown(api, running))["cost_usd"] == "2.5"


async def test_a_run_announced_twice_with_one_key_is_one_run(api: Api) -> None:
    body = {"agent": "Scribe"}

    replies = await asyncio.gather(*(keyed(api, "/executions", body) for _ in range(20)))

    assert len({reply.data["id"] for reply in replies}) == 1
    assert (await api.get("/executions")).meta["total"] == 1


async def test_a_key_that_comes_back_with_another_request_is_refused(
    api: Api, running: str
) -> None:
    path = f"/executions/{running}/frames"
    await keyed(api, path, CONTENT)

    other_body = await keyed(api, path, {**CONTENT, "content": "y"})
    other_path = await keyed(api, f"/executions/{running}/annotate", {"metadata": {}})

    for reply in (other_body, other_path):
        assert_problem(reply, 400, "idempotency_mismatch", "'k'")
    assert (await shown(api, running))["version"] == 3


async def test_a_refused_request_does_not_use_its_key_up(api: Api, running: str) -> None:
    path = f"/executions/{running}/approvals"
    await api.post(path, STEPS["approvals"])
    refused = await keyed(api, path, STEPS["approvals"])
    await api.post(f"/executions/{running}/approve")
    await api.post(f"/executions/{running}/start")

    again = await keyed(api, path, STEPS["approvals"])

    assert_problem(refused, 400, "illegal_transition")
    assert (again.status, again.data["repeated"]) == (201, False)


async def test_a_key_is_at_most_255_characters(api: Api, running: str) -> None:
    path = f"/executions/{running}/frames"

    assert (await keyed(api, path, CONTENT, "k" * 255)).status == 200
    assert_problem(await keyed(api, path, CONTENT, "k" * 256), 400, "validation_error", "Idempot")


async def test_a_repeated_request_is_answered_though_its_version_is_stale(
    api: Api, running: str
) -> None:
    path = f"/executions/{running}/frames"
    first = await keyed(api, path, CONTENT, If_Match='"v2"')

    again = await keyed(api, path, CONTENT, If_Match='"v2"')

    assert (again.status, again.data["version"]) == (200, first.data["version"])


async def test_a_stale_version_is_refused_with_both_versions(api: Api, running: str) -> None:
    path = f"/executions/{running}/frames"

    reply = await api.call("POST", path, CONTENT, headers={"If-Match": '"v1"'})

    assert assert_problem(reply, 412, "version_mismatch") == {"expected": 1, "actual": 2}
    assert (await shown(api, running))["version"] == 2


@pytest.mark.parametrize("tag", ['"v2"', 'W/"v2"', "v2", "2", "*"])
async def test_the_version_at_hand_is_taken(api: Api, running: str, tag: str) -> None:
    path = f"/executions/{running}/frames"

    assert (await api.call("POST", path, CONTENT, headers={"If-Match": tag})).status == 200


@pytest.mark.parametrize("tag", ["", '"abc"', "-1", '"v2", "v3"', "9" * 30])
async def test_what_is_no_version_is_refused(api: Api, running: str, tag: str) -> None:
    path = f"/executions/{running}/frames"

    reply = await api.call("POST", path, CONTENT, headers={"If-Match": tag})

    assert_problem(reply, 400, "validation_error", "If-Match")


async def test_of_ten_at_once_with_one_version_one_wins(api: Api, running: str) -> None:
    path = f"/executions/{running}/frames"
    seen = {"If-Match": '"v2"'}

    replies = await asyncio.gather(
        *(api.call("POST", path, CONTENT, headers=seen) for _ in range(10))
    )

    assert sorted(reply.status for reply in replies) == [200] + [412] * 9
    assert (await shown(api, running))["version"] == 3


async def test_versions_of_one_append_follow_each_other_while_others_append(
    api: Api, agent: Json
) -> None:
    ids = [await started(api, agent["id"]) for _ in range(3)]
    batches = [[CONTENT] * n for n in range(1, 8)]

    replies = await asyncio.gather(
        *(api.post(f"/executions/{id_}/frames", batch) for batch in batches for id_ in ids)
    )

    for id_ in ids:
        events = (await api.get(f"/executions/{id_}/events")).data
        assert [event["sequence"] for event in events] == list(range(1, 2 + 28 + 1))
    assert max(reply.data["version"] for reply in replies) == 30
