"""Executions: asked for, found, looked at as they were, stopped, decided on."""

import asyncio
from typing import Any

import pytest

from tests.integration.api import Api, Json, Reply, assert_problem
from tests.integration.conftest import spent, started

SETTINGS = {"wait_seconds": 28}
pytestmark = [pytest.mark.both_stores, pytest.mark.asyncio(loop_scope="module")]

SECONDS = 20


async def execute(api: Api, agent: Json, **facts: Any) -> Reply:
    return await api.post(f"/agents/{agent['id']}/execute", {"input": {}, **facts})


async def shown(api: Api, id_: str, **query: Any) -> Json:
    execution: Json = (await api.get(f"/executions/{id_}", **query)).data
    return execution


async def appeared(api: Api) -> str:
    """The id of the first execution, as soon as there is one."""
    async with asyncio.timeout(SECONDS):
        ids: list[str] = []
        while not ids:
            ids = (await api.get("/executions")).ids
        return ids[0]


@pytest.mark.parametrize("words", [{"sync": False}, {"async_mode": True}])
async def test_an_asynchronous_execute_answers_at_once(api: Api, agent: Json, words: Json) -> None:
    asked = {"session_id": "s", "user_id": "u", "metadata": {"k": "v"}, "cache": "newer"}

    reply = await execute(api, agent, **words, **asked)

    assert (reply.status, reply.headers["ETag"]) == (201, '"v1"')
    facts = [reply.data[name] for name in ("status", "mode", "session_id", "user_id", "metadata")]
    assert facts == ["pending", "execute", "s", "u", {"k": "v"}]


ENDS = [
    ("complete", {"output": {"a": 1}}, "completed"),
    ("fail", {"error": "no"}, "failed"),
    ("approvals", {"checkpoint_name": "c"}, "awaiting_approval"),
    ("cancel", {"confirm": True}, "cancelled"),
]


@pytest.mark.parametrize(("step", "body", "status"), ENDS)
async def test_a_blocking_execute_answers_when_the_run_ends_or_pauses(
    api: Api, agent: Json, step: str, body: Json, status: str
) -> None:
    asked = asyncio.create_task(execute(api, agent))
    id_ = await appeared(api)
    await api.post(f"/executions/{id_}/start")
    await api.post(f"/executions/{id_}/frames", {"type": "content", "content": "x"})

    await api.post(f"/executions/{id_}/{step}", body)

    async with asyncio.timeout(SECONDS / 2):
        reply = await asked
    assert (reply.status, reply.data["status"], reply.data["id"]) == (201, status, id_)


async def test_an_input_that_breaks_the_schema_is_refused_by_path_and_nothing_recorded(
    api: Api, agent: Json
) -> None:
    schema = {"properties": {"items": {"items": {"type": "integer"}}}, "required": ["items"]}
    path = f"/agents/{agent['id']}/versions"
    await api.post(path, {"version": "1", "input_schema": schema})
    before = (await api.get("/events", limit=1000)).data

    replies = [
        await execute(api, agent, input={"items": [1, "x"]}),
        await api.post("/executions", {"agent_id": agent["id"], "input": {"items": [1, "x"]}}),
    ]

    for reply in replies:
        (violation,) = assert_problem(reply, 400, "invalid_input")["violations"]
        assert violation["path"] == "input.items[1]"
    assert (await api.get("/events", limit=1000)).data == before


@pytest.mark.parametrize("body", [{}, {"input": []}, {"input": None}, {"input": "x"}])
async def test_an_input_must_be_an_object(api: Api, agent: Json, body: Json) -> None:
    reply = await api.post(f"/agents/{agent['id']}/execute", body)

    assert_problem(reply, 400, "validation_error", "input")


WHOLE_RUN: list[tuple[str, Any]] = [
    ("start", {"worker": "w"}),
    ("frames", {"type": "thinking", "content": "x"}),
    ("usage", {"model": "m", "prompt_tokens": 2, "cost_usd": "0.5"}),
    ("annotate", {"metadata": {"a": {"b": None}}}),
    ("frames", [{"type": "content", "content": "y"}]),
    ("approvals", {"checkpoint_name": "c", "expires_at": "2999-01-01T00:00:00Z"}),
    ("approve", {"reason": "fine"}),
    ("start", {}),
    ("cancel", {}),
    ("usage", {"model": "n", "completion_tokens": 3, "cached_tokens": 0}),
    ("complete", {"output": {"a": [1.10]}}),
    ("annotate", {"metadata": {"late": True}}),
]


async def test_an_execution_as_it_was_is_what_was_answered_then(api: Api, agent: Json) -> None:
    """For every version of a run; but for the inclusive cost, which is not in its own log."""
    body = {"agent_id": agent["id"], "input": {"q": 1}, "metadata": {"k": "v"}}
    id_ = (await api.post("/executions", body)).data["id"]
    then = [await shown(api, id_)]
    for step, said in WHOLE_RUN:
        assert (await api.post(f"/executions/{id_}/{step}", said)).status < 300, step
        then.append(await shown(api, id_))

    assert [execution["version"] for execution in then] == list(range(1, len(then) + 1))
    for execution in then:
        as_it_was = await api.get(f"/executions/{id_}", at=execution["version"])
        execution.pop("inclusive_cost_usd")
        assert as_it_was.data == execution
        assert as_it_was.headers["ETag"] == f'"v{execution["version"]}"'


@pytest.mark.parametrize(("at", "status"), [("3", 404), (2**53, 404), ("0", 400), ("x", 400)])
async def test_what_was_never_a_version_is_not_found(
    api: Api, running: str, at: str, status: int
) -> None:
    reply = await api.get(f"/executions/{running}", at=at)

    assert_problem(reply, status, "not_found" if status == 404 else "invalid_query")
    assert (f"no event {at}" in reply.text.decode()) == (status == 404)


async def test_an_etag_is_the_version_shown(api: Api, running: str) -> None:
    for path in (f"/executions/{running}", f"/executions/{running}/tree"):
        assert (await api.get(path)).headers["ETag"] == '"v2"'


async def test_a_tree_has_three_levels_and_adds_its_costs_up(api: Api, agent: Json) -> None:
    top = await started(api, agent["id"])
    left = await started(api, agent["id"], parent_execution_id=top)
    right = await started(api, agent["id"], parent_execution_id=top)
    leaf = await started(api, agent["id"], parent_execution_id=left)
    for id_, cost in [(top, "0.1"), (left, "0.02"), (leaf, "0.003")]:
        await spent(api, id_, cost_usd=cost)

    tree = (await api.get(f"/executions/{top}/tree")).data

    assert [child["id"] for child in tree["children"]] == [left, right]
    (shown_leaf,) = tree["children"][0]["children"]
    assert (shown_leaf["id"], shown_leaf["children"]) == (leaf, [])
    costs = [tree, *tree["children"], shown_leaf]
    inclusive = [each["inclusive_cost_usd"] for each in costs]
    assert inclusive == ["0.123", "0.023", None, "0.003"]
    assert {each["root_execution_id"] for each in costs} == {top}
    assert {each["trace_id"] for each in costs} == {tree["trace_id"]}
    assert (await shown(api, top))["inclusive_cost_usd"] == "0.123"
    assert (await api.get("/executions", parent_id=top, sort="created_at")).ids == [left, right]


async def test_a_parent_that_nobody_knows_is_not_found(api: Api, agent: Json) -> None:
    body = {"agent_id": agent["id"], "parent_execution_id": "0" * 27}

    assert_problem(await api.post("/executions", body), 404, "not_found")


async def test_a_run_nobody_works_on_is_cancelled_at_once(api: Api, agent: Json) -> None:
    pending = (await api.post("/executions", {"agent_id": agent["id"]})).data["id"]
    parked, approved = [await started(api, agent["id"]) for _ in "ab"]
    for id_ in (parked, approved):
        await api.post(f"/executions/{id_}/approvals", {"checkpoint_name": "c"})
    await api.post(f"/executions/{approved}/approve")

    for id_ in (pending, parked, approved):
        cancelled = await api.post(f"/executions/{id_}/cancel", {"reason": "enough", "new": 1})
        assert (cancelled.status, cancelled.data["status"]) == (200, "cancelled")
        assert cancelled.data["is_terminal"] is True
    assert (await api.get("/approvals", status="pending")).data == []


async def test_a_run_somebody_works_on_is_cancelled_by_request_and_confirmation(
    api: Api, running: str
) -> None:
    path = f"/executions/{running}/cancel"

    requested, again = await api.post(path, {"reason": "enough"}), await api.post(path)
    confirmed = await api.post(path, {"confirm": True})

    assert requested.data["status"] == again.data["status"] == "running"
    assert requested.data["cancellation_requested"] is True
    assert confirmed.data["status"] == "cancelled"
    events = (await api.get(f"/executions/{running}/events", after=2)).data
    assert [event["type"] for event in events] == ["cancellation_requested", "cancelled"]


@pytest.mark.parametrize(
    ("step", "body"),
    [("complete", {}), ("fail", {"error": "e"}), ("cancel", {"confirm": True})],
)
async def test_a_finished_run_is_returned_unchanged(
    api: Api, running: str, step: str, body: Json
) -> None:
    await api.post(f"/executions/{running}/{step}", body)
    before = await shown(api, running)

    for confirm in (True, False):
        reply = await api.post(f"/executions/{running}/cancel", {"confirm": confirm})
        assert (reply.status, reply.data) == (200, before)


@pytest.mark.parametrize(("step", "status"), [("approve", "approved"), ("deny", "rejected")])
async def test_a_decision_moves_the_run_once(api: Api, parked: str, step: str, status: str) -> None:
    decided = await api.post(f"/executions/{parked}/{step}", {"reason": "so it is"})

    assert (decided.status, decided.data["status"]) == (200, status)
    for again in ("approve", "deny"):
        assert_problem(await api.post(f"/executions/{parked}/{again}"), 400, "already_decided")
    (event,) = (await api.get(f"/executions/{parked}/events", type=status)).data
    assert event["data"]["reason"] == "so it is"


async def test_of_twenty_decisions_at_once_one_counts(api: Api, parked: str) -> None:
    steps = ["approve", "deny"] * 10

    replies = await asyncio.gather(*(api.post(f"/executions/{parked}/{step}") for step in steps))

    assert sorted(reply.status for reply in replies) == [200] + [400] * 19
    assert (await shown(api, parked))["version"] == 4


async def test_what_a_run_waits_for_is_shown_while_it_waits(api: Api, parked: str) -> None:
    path = f"/executions/{parked}/pending-approval"
    waits = (await api.get(path)).data

    await api.post(f"/executions/{parked}/approve")

    assert (waits["execution_id"], waits["status"]) == (parked, "pending")
    assert_problem(await api.get(path), 404, "not_found")
    assert_problem(await api.get(f"/executions/{'0' * 27}/pending-approval"), 404, "not_found")


async def test_the_inbox_has_what_waits_and_no_more(api: Api, agent: Json, parked: str) -> None:
    await started(api, agent["id"])

    inbox = await api.get("/executions/approval-inbox", limit=5)

    assert (inbox.ids, inbox.meta["total"]) == ([parked], 1)
    assert (await api.get("/executions/approval-inbox", agent_id="other")).ids == []
    await api.post(f"/executions/{parked}/deny")
    assert (await api.get("/executions/approval-inbox")).ids == []


@pytest.mark.parametrize(
    "query",
    [
        {"status": "completed"},
        {"status": "failed,completed"},
        {"agent_id": "{agent_id}"},
        {"agent_version_id": "{agent_version_id}"},
        {"session_id": "s"},
        {"user_id": "u"},
        {"parent_id": "{parent_execution_id}"},
        {"root_id": "{root_execution_id}", "status": "completed"},
        {"trace_id": "{trace_id}", "status": "completed"},
        {"model": "gpt-x"},
        {"created_after": "2001-02-03", "created_before": "2001-02-04"},
        {"completed_after": "2001-02-03", "completed_before": "2001-02-04"},
        {"min_cost": "0.003", "max_cost": "0.003"},
        {"min_duration_ms": "1000", "max_duration_ms": "1000"},
        {"min_tokens": "120", "max_tokens": "120"},
        {"metadata.tenant": "x"},
    ],
    ids=" ".join,
)
async def test_a_run_is_found_by_what_it_is_and_others_are_not(
    api: Api, agent: Json, query: Json
) -> None:
    parent = await started(api, agent["id"])
    other = (await api.post("/agents", {"name": "Other"})).data["id"]
    await api.post(f"/agents/{other}/versions", {"version": "1"})
    run = {
        "agent_id": other,
        "parent_execution_id": parent,
        "session_id": "s",
        "user_id": "u",
        "metadata": {"tenant": "x"},
        "usage": [
            {"model": "gpt-x", "prompt_tokens": 100, "completion_tokens": 20, "cost_usd": "0.003"}
        ],
        "created_at": "2001-02-03T00:00:00Z",
        "completed_at": "2001-02-03T00:00:01Z",
    }
    id_ = (await api.post("/executions/record", run)).data["id"]
    execution = await shown(api, id_)

    found = await api.get(
        "/executions", **{name: text.format_map(execution) for name, text in query.items()}
    )

    assert found.ids == [id_]
    assert found.meta["total"] == 1
    assert {name: found.data[0][name] for name in ("input", "output", "metadata")} == {
        name: execution[name] for name in ("input", "output", "metadata")
    }


async def test_a_failed_run_is_found_by_its_cause(api: Api, running: str) -> None:
    await api.post(f"/executions/{running}/fail", {"error": "e", "error_code": "timeout"})

    assert (await api.get("/executions", error_code="timeout")).ids == [running]
    assert (await api.get("/executions", error_code="error")).ids == []


@pytest.mark.parametrize("path", ["/executions", "/executions/approval-inbox"])
async def test_an_unknown_filter_is_refused_by_name(api: Api, path: str) -> None:
    assert_problem(await api.get(path, colour="red"), 400, "invalid_query", "colour")


async def test_a_trace_is_taken_from_the_request(api: Api, agent: Json) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}

    made = await api.call("POST", "/executions", {"agent_id": agent["id"]}, headers=headers)

    assert (await shown(api, made.data["id"]))["trace_id"] == trace
