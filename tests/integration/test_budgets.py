"""A run that spends past its limit is stopped at the event that crosses it."""

from typing import Any

import pytest

from tests.integration.api import Api, Json, assert_problem
from tests.integration.conftest import registered

PRICE = {"model": "m", "input": "1", "output": "1"}
HALF_A_DOLLAR = {"model": "m", "prompt_tokens": 500_000}


async def spender(api: Api, name: str = "Spender", **budget: Any) -> str:
    """An agent with a run budget; a million tokens of model m are a dollar."""
    await api.post("/prices", PRICE)
    agent = await registered(api, name)
    await api.post(f"/agents/{agent['id']}/versions", {"version": "1", "run_budget": budget})
    id_: str = agent["id"]
    return id_


async def run_of(api: Api, agent: str, **facts: Any) -> str:
    """A run that goes on."""
    run: str = (await api.post("/executions", {"agent_id": agent, **facts})).data["id"]
    await api.post(f"/executions/{run}/start")
    return run


async def spend(api: Api, run: str, report: Json | None = None) -> Json:
    """What the answer to a usage report says of the budget."""
    reply = await api.post(f"/executions/{run}/usage", report or HALF_A_DOLLAR)
    budget: Json = reply.data["budget"]
    return budget


async def how_it_is(api: Api, run: str) -> tuple[str, str]:
    execution = (await api.get(f"/executions/{run}")).data
    return execution["status"], execution["error_code"] or ""


FAILED = ("failed", "budget_exceeded")


async def test_the_usage_event_that_crosses_the_limit_is_the_last_one(api: Api) -> None:
    run = await run_of(api, await spender(api, max_cost="1.20"))

    told = [await spend(api, run) for _ in range(3)]

    assert told == [
        {"state": "ok", "remaining": {"max_cost": "0.70"}},
        {"state": "ok", "remaining": {"max_cost": "0.20"}},
        {"state": "exceeded", "remaining": {"max_cost": "0"}},
    ]
    assert await how_it_is(api, run) == FAILED
    history = (await api.get(f"/executions/{run}/events")).data
    assert [event["type"] for event in history[-2:]] == ["usage_recorded", "failed"]
    assert "max_cost of 1.20" in history[-1]["data"]["error"]
    assert history[-1]["data"]["totals"]["cost_usd"] == "1.5"


async def test_a_limit_may_be_spent_to_the_last_cent(api: Api) -> None:
    run = await run_of(api, await spender(api, max_cost=1))

    await spend(api, run)

    assert await spend(api, run) == {"state": "ok", "remaining": {"max_cost": "0.0"}}
    assert await how_it_is(api, run) == ("running", "")


async def test_what_follows_the_crossing_in_a_batch_is_not_recorded(api: Api) -> None:
    run = await run_of(api, await spender(api, max_cost="0.30"))
    frames = [
        {"type": "content", "content": "before"},
        {"type": "usage", **HALF_A_DOLLAR},
        {"type": "content", "content": "after"},
    ]

    reply = await api.post(f"/executions/{run}/frames", frames)

    assert reply.data["budget"]["state"] == "exceeded"
    history = (await api.get(f"/executions/{run}/events")).data
    assert [event["type"] for event in history[2:]] == [
        "content_streamed",
        "usage_recorded",
        "failed",
    ]
    refused = await api.post(f"/executions/{run}/frames", frames)
    assert_problem(refused, 400, "illegal_transition", "failed")


async def test_tokens_and_tool_calls_have_limits_too(api: Api) -> None:
    agent = await spender(api, max_total_tokens=10, max_tool_calls=1)
    first, second = await run_of(api, agent), await run_of(api, agent)
    call = {"type": "tool_start", "id": "1", "name": "search"}

    assert (await spend(api, first, {"model": "m", "prompt_tokens": 11}))["state"] == "exceeded"
    once = (await api.post(f"/executions/{second}/frames", call)).data["budget"]
    twice = (await api.post(f"/executions/{second}/frames", call)).data["budget"]

    assert once["remaining"] == {"max_total_tokens": 10, "max_tool_calls": 0}
    assert twice["state"] == "exceeded"
    assert [await how_it_is(api, run) for run in (first, second)] == [FAILED, FAILED]


async def test_a_tree_spends_from_one_budget_and_ends_with_it(api: Api) -> None:
    root = await run_of(api, await spender(api, max_cost="1.20"))
    worker = (await registered(api, "Worker"))["id"]
    child = await run_of(api, worker, parent_execution_id=root)
    grandchild = await run_of(api, worker, parent_execution_id=child)

    states = [(await spend(api, run))["state"] for run in (root, child, grandchild)]

    assert states == ["ok", "ok", "exceeded"]
    assert await how_it_is(api, root) == await how_it_is(api, grandchild) == FAILED
    error = (await api.get(f"/executions/{root}")).data["error"]
    assert grandchild in error


async def test_the_tightest_of_several_budgets_holds(api: Api) -> None:
    root = await run_of(api, await spender(api, max_cost=10))
    careful = await spender(api, "Careful", max_cost="0.60", max_total_tokens=10**9)
    child = await run_of(api, careful, parent_execution_id=root)

    first, second = await spend(api, child), await spend(api, child)

    assert first["remaining"] == {"max_cost": "0.10", "max_total_tokens": 10**9 - 500_000}
    assert second["state"] == "exceeded"
    assert await how_it_is(api, child) == FAILED
    assert await how_it_is(api, root) == ("running", "")
    assert (await spend(api, root))["remaining"] == {"max_cost": "8.5"}


@pytest.mark.parametrize("limit", [{"max_children": 1}, {"max_depth": 1}])
async def test_a_child_beyond_the_budget_is_refused(api: Api, limit: Json) -> None:
    root = await run_of(api, await spender(api, **limit))
    worker = (await registered(api, "Worker"))["id"]
    child = await run_of(api, worker, parent_execution_id=root)

    refused = await api.post("/executions", {"agent_id": worker, "parent_execution_id": child})

    assert_problem(refused, 400, "budget_exceeded", next(iter(limit)))
    assert await how_it_is(api, root) == ("running", "")


async def test_tokens_without_a_price_count_by_the_setting(api: Api) -> None:
    run = await run_of(api, await spender(api, max_cost="0.01"))
    unheard_of = {"model": "unheard-of", "prompt_tokens": 900}

    told = [await spend(api, run, unheard_of) for _ in range(2)]

    assert told[0] == {"state": "ok", "remaining": {"max_cost": "0.001"}}
    assert told[1]["state"] == "exceeded"


async def test_a_reported_cost_counts(api: Api) -> None:
    run = await run_of(api, await spender(api, max_cost="0.01"))

    assert (await spend(api, run, {"model": "m", "cost_usd": "0.02"}))["state"] == "exceeded"


async def test_a_run_without_a_budget_is_told_of_none(api: Api, agent: Json) -> None:
    run = await run_of(api, agent["id"])

    assert "budget" not in (await api.post(f"/executions/{run}/usage", HALF_A_DOLLAR)).data


async def test_a_whole_run_is_recorded_as_it_was_and_counted(api: Api) -> None:
    agent = await spender(api, max_cost="0.60")
    root = await run_of(api, agent)
    whole = {"agent_id": agent, "usage": [HALF_A_DOLLAR, HALF_A_DOLLAR], "output": {}}

    over = (await api.post("/executions/record", {**whole, "parent_execution_id": root})).data

    assert await how_it_is(api, over["id"]) == ("completed", "")
    assert (await spend(api, root))["state"] == "exceeded"


async def test_a_limit_that_is_none_is_refused(api: Api, agent: Json) -> None:
    body = {"version": "1", "run_budget": {"max_cost": "a lot"}}

    refused = await api.post(f"/agents/{agent['id']}/versions", body)

    assert_problem(refused, 400, "invalid_config", "run_budget.max_cost")


# Budgets of days


async def day_budget(api: Api, **facts: Any) -> Json:
    await api.post("/prices", PRICE)
    budget: Json = (await api.post("/budgets", facts)).data
    return budget


async def test_the_runs_of_a_workspace_share_the_budget_of_the_day(api: Api, agent: Json) -> None:
    first, second = await run_of(api, agent["id"]), await run_of(api, agent["id"])
    await day_budget(api, scope="workspace", max_cost="1.20")

    told = [await spend(api, run) for run in (first, second, first)]

    assert [each["remaining"]["max_cost"] for each in told] == ["0.70", "0.20", "0"]
    assert await how_it_is(api, first) == FAILED
    assert await how_it_is(api, second) == ("running", "")
    assert (await spend(api, second))["state"] == "exceeded"


async def test_what_was_spent_before_the_budget_was_set_counts(api: Api, agent: Json) -> None:
    run = await run_of(api, agent["id"])
    await api.post("/prices", PRICE)
    await api.post(f"/executions/{run}/usage", HALF_A_DOLLAR)
    await day_budget(api, scope="workspace", max_cost="0.90")

    assert (await spend(api, run))["state"] == "exceeded"


async def test_each_user_has_a_budget_of_their_own(api: Api, agent: Json) -> None:
    await day_budget(api, scope="user", max_cost="0.60")
    await day_budget(api, scope="user", user_id="ada", max_cost="0.40")
    ada, grace, nobody = [
        await run_of(api, agent["id"], **user)
        for user in ({"user_id": "ada"}, {"user_id": "grace"}, {})
    ]

    assert (await spend(api, ada))["state"] == "exceeded"
    assert (await spend(api, grace)) == {"state": "ok", "remaining": {"max_cost": "0.10"}}
    assert "budget" not in (await api.post(f"/executions/{nobody}/usage", HALF_A_DOLLAR)).data


async def test_an_agents_budget_is_no_others(api: Api, agent: Json) -> None:
    other = await registered(api, "Other")
    await day_budget(api, scope="agent", agent_id=agent["id"], max_total_tokens=1)
    mine, theirs = await run_of(api, agent["id"]), await run_of(api, other["id"])

    assert (await spend(api, mine))["state"] == "exceeded"
    assert "budget" not in (await api.post(f"/executions/{theirs}/usage", HALF_A_DOLLAR)).data


async def test_no_run_begins_for_whom_the_day_is_spent(api: Api, agent: Json) -> None:
    await day_budget(api, scope="agent", max_total_tokens=1)
    await spend(api, await run_of(api, agent["id"]))

    refused = await api.post(f"/agents/{agent['id']}/execute", {"input": {}, "async_mode": True})

    assert_problem(refused, 400, "budget_exceeded", "max_total_tokens")


async def today_of(api: Api, budget: Json) -> Json:
    found = {each["id"]: each["today"] for each in (await api.get("/budgets")).data}
    today: Json = found[budget["id"]]
    return today


async def test_a_budget_says_what_is_used_today_and_what_remains(api: Api, agent: Json) -> None:
    run = await run_of(api, agent["id"])
    budget = await day_budget(api, scope="workspace", max_cost="1.20", max_total_tokens=600_000)

    await spend(api, run)

    unspent = {"cost": "0", "total_tokens": 0}
    whole = {"cost": "1.20", "total_tokens": 600_000}
    assert budget["today"] == {"used": unspent, "remaining": whole, "spender": None}
    assert await today_of(api, budget) == {
        "used": {"cost": "0.5", "total_tokens": 500_000},
        "remaining": {"cost": "0.70", "total_tokens": 100_000},
        "spender": None,
    }


async def test_nothing_remains_of_a_budget_that_was_passed(api: Api, agent: Json) -> None:
    budget = await day_budget(api, scope="agent", agent_id=agent["id"], max_cost="0.20")

    await spend(api, await run_of(api, agent["id"]))

    today = await today_of(api, budget)
    assert (today["used"], today["remaining"]) == (
        {"cost": "0.5", "total_tokens": None},
        {"cost": "0", "total_tokens": None},
    )


async def test_of_a_budget_for_each_the_one_who_used_most_is_shown(api: Api, agent: Json) -> None:
    budget = await day_budget(api, scope="user", max_cost="2")
    for user, times in (("ann", 1), ("bob", 2)):
        run = await run_of(api, agent["id"], user_id=user)
        for _ in range(times):
            await spend(api, run)

    today = await today_of(api, budget)

    assert (today["spender"], today["remaining"]["cost"]) == ("bob", "1.0")


async def test_tokens_of_unknown_price_are_used_at_the_price_that_budgets_give_them(
    api: Api, agent: Json
) -> None:
    budget = await day_budget(api, scope="workspace", max_cost="20")

    await spend(api, await run_of(api, agent["id"]), {"model": "unheard-of", **TOKENS})

    assert (await today_of(api, budget))["used"]["cost"] == "5"


TOKENS = {"prompt_tokens": 500_000}


async def test_a_budget_that_ended_limits_nothing(api: Api, agent: Json) -> None:
    budget = await day_budget(api, scope="workspace", max_cost="0.10", note="a trial")
    assert (await api.get("/budgets")).data == [budget]

    assert (await api.delete(f"/budgets/{budget['id']}")).status == 204

    run = await run_of(api, agent["id"])
    assert "budget" not in (await api.post(f"/executions/{run}/usage", HALF_A_DOLLAR)).data
    assert (await api.get("/budgets")).data == []
    assert_problem(await api.delete(f"/budgets/{budget['id']}"), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"scope": "workspace"}, "max_cost"),
        ({"scope": "workspace", "max_cost": -1}, "max_cost"),
        ({"scope": "workspace", "max_total_tokens": True}, "max_total_tokens"),
        ({"scope": "team", "max_cost": 1}, "scope"),
        ({"scope": "user", "agent_id": "a", "max_cost": 1}, "agent_id"),
    ],
)
async def test_what_is_no_budget_is_refused(api: Api, body: Json, named: str) -> None:
    assert_problem(await api.post("/budgets", body), 400, "validation_error", named)


async def test_a_budget_is_of_an_agent_that_there_is(api: Api) -> None:
    body = {"scope": "agent", "agent_id": "nobody", "max_cost": 1}

    assert_problem(await api.post("/budgets", body), 404, "not_found", "nobody")


# More money, if a human says so


ASKING = {"max_cost": "1.20", "ask_at": "0.80", "raise_by": "2.5"}


async def asked(api: Api, run: str) -> Json:
    """The question that the second half dollar leads to, put to a human."""
    first, second = await spend(api, run), await spend(api, run)
    assert (first["state"], second["state"]) == ("ok", "ask")
    question: Json = second["ask"]
    body = {"checkpoint_name": "budget", "payload": question, "on_reject": "resume"}
    assert (await api.post(f"/executions/{run}/approvals", body)).status == 201
    return question


async def test_before_the_limit_a_human_is_to_be_asked(api: Api) -> None:
    run = await run_of(api, await spender(api, **ASKING))

    question = await asked(api, run)

    assert question == {
        "budget_of": run,
        "spent": "1.0",
        "max_cost": "1.20",
        "raise_by": "2.5",
    }


async def test_a_yes_raises_the_budget_and_when_to_ask_again(api: Api) -> None:
    run = await run_of(api, await spender(api, **ASKING))
    await asked(api, run)

    await api.post(f"/executions/{run}/approve")
    await api.post(f"/executions/{run}/start")

    told = [await spend(api, run) for _ in range(5)]
    assert [each["state"] for each in told] == ["ok", "ok", "ok", "ok", "ask"]
    assert told[0]["remaining"] == {"max_cost": "2.20"}
    assert told[4]["ask"]["max_cost"] == "3.70"


async def test_what_a_human_makes_of_the_question_counts(api: Api) -> None:
    run = await run_of(api, await spender(api, **ASKING))
    question = await asked(api, run)
    approval = (await api.get(f"/executions/{run}/pending-approval")).data["id"]
    edit = {"payload": {**question, "raise_by": "0.40"}}
    await api.post(f"/approvals/{approval}/supersede", edit)

    await api.post(f"/executions/{run}/approve")
    await api.post(f"/executions/{run}/start")

    assert (await spend(api, run))["remaining"] == {"max_cost": "0.10"}


async def test_after_a_no_the_limit_stands_and_nobody_is_asked_again(api: Api) -> None:
    run = await run_of(api, await spender(api, **ASKING))
    await asked(api, run)

    await api.post(f"/executions/{run}/deny")
    told = await spend(api, run)

    assert told["state"] == "exceeded"
    assert await how_it_is(api, run) == FAILED


async def test_a_child_asks_for_the_tree(api: Api) -> None:
    root = await run_of(api, await spender(api, **ASKING))
    worker = (await registered(api, "Worker"))["id"]
    child = await run_of(api, worker, parent_execution_id=root)
    question = await asked(api, child)

    await api.post(f"/executions/{child}/approve")

    assert question["budget_of"] == root
    assert (await spend(api, root))["remaining"] == {"max_cost": "2.20"}


async def test_nobody_raises_a_budget_that_they_do_not_spend_from(api: Api) -> None:
    agent = await spender(api, **ASKING)
    mine, other = await run_of(api, agent), await run_of(api, agent)
    payload = {"budget_of": other, "raise_by": "100"}
    await api.post(
        f"/executions/{mine}/approvals", {"checkpoint_name": "budget", "payload": payload}
    )

    await api.post(f"/executions/{mine}/approve")

    assert (await spend(api, other))["remaining"] == {"max_cost": "0.70"}


@pytest.mark.parametrize("amount", ["a lot", "-1", "NaN", None, [], "1e99", "1e-999999", 0])
async def test_a_raise_of_no_amount_raises_nothing(api: Api, amount: Any) -> None:
    run = await run_of(api, await spender(api, **ASKING))
    payload = {"budget_of": run, "raise_by": amount}
    body = {"checkpoint_name": "budget", "payload": payload, "on_reject": "resume"}
    await api.post(f"/executions/{run}/approvals", body)

    assert (await api.post(f"/executions/{run}/approve")).status == 200
    await api.post(f"/executions/{run}/start")

    assert (await spend(api, run))["remaining"] == {"max_cost": "0.70"}


async def test_who_is_to_be_asked_needs_a_limit_to_raise(api: Api, agent: Json) -> None:
    body = {"version": "1", "run_budget": {"ask_at": "1"}}

    refused = await api.post(f"/agents/{agent['id']}/versions", body)

    assert_problem(refused, 400, "invalid_config", "max_cost")


@pytest.mark.parametrize("end", [("complete", {"output": {}}), ("fail", {"error": "no"})])
async def test_the_last_frames_cross_a_limit_before_the_end_that_they_came_with(
    api: Api, end: tuple[str, Json]
) -> None:
    run = await run_of(api, await spender(api, max_cost="0.40"))
    step, body = end
    frames = [{"type": "usage", **HALF_A_DOLLAR}, {"type": "content", "content": "never said"}]

    told = (await api.post(f"/executions/{run}/{step}", {**body, "frames": frames})).data

    assert told["budget"] == {"state": "exceeded", "remaining": {"max_cost": "0"}}
    assert await how_it_is(api, run) == FAILED
    history = (await api.get(f"/executions/{run}/events")).data
    assert [event["type"] for event in history[-2:]] == ["usage_recorded", "failed"]


async def test_a_worker_is_told_of_the_budget_with_the_run(api: Api) -> None:
    limited = await spender(api, "Limited", max_cost="0.40")
    free = (await registered(api, "Free"))["id"]
    for agent in (limited, free):
        await api.post(f"/agents/{agent}/execute", {"input": {}, "async_mode": True})

    asked = {"agents": ["Limited", "Free"], "most": 2, "wait_seconds": 0}
    given = (await api.post("/workers/claim", asked)).data

    budgets = [each["budget"] for each in given]
    assert budgets == [{"state": "ok", "remaining": {"max_cost": "0.40"}}, None]
