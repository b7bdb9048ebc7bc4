"""Prices that a workspace states, and what usage costs by them."""

from typing import Any

import pytest

from tests.integration.api import Api, Json, assert_problem
from tests.integration.conftest import started

HOUSE = {"model": "house-1", "input": "2", "output": "8.50", "cached_input": 0.2}


async def cost_of(api: Api, execution: str, **report: Any) -> Json:
    """What the usage event of a report says of its cost."""
    body = {"model": "house-1", "prompt_tokens": 1_000_000, **report}
    await api.post(f"/executions/{execution}/usage", body)
    history = (await api.get(f"/executions/{execution}/events", type="usage_recorded")).data
    facts: Json = history[-1]["data"]
    return facts


@pytest.fixture
async def run(api: Api, agent: Json) -> str:
    return await started(api, agent["id"])


async def test_a_price_is_shown_as_it_was_stated(api: Api) -> None:
    stated = (await api.post("/prices", {**HOUSE, "note": "as agreed"})).data

    assert (await api.get("/prices")).data == [stated]
    assert {**HOUSE, "cached_input": "0.2", "cache_creation": None}.items() <= stated.items()
    assert (stated["valid_from"], stated["valid_until"], stated["note"]) == (
        None,
        None,
        "as agreed",
    )


async def test_usage_is_priced_by_what_the_workspace_states(api: Api, run: str) -> None:
    stated = (await api.post("/prices", HOUSE)).data

    facts = await cost_of(api, run, completion_tokens=2, cached_tokens=500_000)

    assert facts["cost_usd"] == "1.100017"
    assert (facts["price"]["source"], facts["price"]["price_id"]) == ("workspace", stated["id"])


async def test_a_stated_price_goes_before_the_list(api: Api, run: str) -> None:
    by_list = await cost_of(api, run, model="gpt-4o")
    await api.post("/prices", {**HOUSE, "model": "gpt-4o"})
    stated = await cost_of(api, run, model="gpt-4o")

    assert (by_list["cost_usd"], by_list["price"]["source"]) == ("2.5", "genai-prices")
    assert (stated["cost_usd"], stated["price"]["source"]) == ("2", "workspace")


async def test_a_reported_cost_goes_before_every_price(api: Api, run: str) -> None:
    await api.post("/prices", HOUSE)

    facts = await cost_of(api, run, cost_usd="0.07")

    assert (facts["cost_usd"], facts["computed_cost_usd"]) == ("0.07", "2")


async def test_a_call_is_priced_as_of_when_it_was_made(api: Api, run: str) -> None:
    await api.post("/prices", HOUSE)
    await api.post("/prices", {**HOUSE, "input": "3", "valid_from": "2026-01-01T00:00:00Z"})
    await api.post(
        "/prices",
        {
            **HOUSE,
            "input": "5",
            "valid_from": "2026-03-01T00:00:00Z",
            "valid_until": "2026-04-01T00:00:00Z",
        },
    )

    times = ("2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "2026-03-15T00:00:00Z")
    costs = [(await cost_of(api, run, at=at))["cost_usd"] for at in times]

    assert costs == ["2", "3", "5"]
    assert (await cost_of(api, run, at="2026-04-01T00:00:00Z"))["cost_usd"] == "3"


async def test_a_later_price_holds_from_now_on(api: Api) -> None:
    await api.post("/prices", HOUSE)

    second = (await api.post("/prices", {**HOUSE, "input": "3"})).data

    assert second["valid_from"] == second["created_at"]


async def test_a_price_that_ended_holds_no_more(api: Api, run: str) -> None:
    stated = (await api.post("/prices", HOUSE)).data

    ended = (await api.post(f"/prices/{stated['id']}/end", {})).data

    assert ended["valid_until"] is not None
    assert "cost_usd" not in await cost_of(api, run)
    again = await api.post(f"/prices/{stated['id']}/end", {})
    assert_problem(again, 400, "invalid_price", "already")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"input": "2"}, "output"),
        ({"input": "-1", "output": "1"}, "input"),
        ({"input": "NaN", "output": "1"}, "input"),
        ({"input": "1", "output": "1", "inputs": "1"}, "inputs"),
        ({"input": "1", "output": "1", "valid_from": "yesterday"}, "valid_from"),
    ],
)
async def test_what_is_no_price_is_refused(api: Api, body: Json, named: str) -> None:
    assert_problem(
        await api.post("/prices", {"model": "m", **body}), 400, "validation_error", named
    )


async def test_a_price_does_not_end_before_it_begins(api: Api) -> None:
    times = {"valid_from": "2026-02-01T00:00:00Z", "valid_until": "2026-01-01T00:00:00Z"}

    assert_problem(await api.post("/prices", HOUSE | times), 400, "invalid_price", "valid_until")


async def test_models_without_a_price_are_listed_with_their_tokens(api: Api, run: str) -> None:
    await cost_of(api, run, model="unheard-of", prompt_tokens=70)
    await cost_of(api, run, model="gpt-4o", prompt_tokens=10)
    await cost_of(api, run, model="unheard-of-too", prompt_tokens=7)

    unknown = (await api.get("/prices/unknown")).data

    assert [(each["model"], each["unpriced_tokens"]) for each in unknown] == [
        ("unheard-of", 70),
        ("unheard-of-too", 7),
    ]


async def test_a_price_of_another_workspace_is_not_found(api: Api) -> None:
    stated = (await api.post("/prices", HOUSE)).data
    elsewhere = {"X-Workspace-ID": "elsewhere"}

    assert (await api.get("/prices", headers=elsewhere)).data == []
    refused = await api.post(f"/prices/{stated['id']}/end", {}, headers=elsewhere)
    assert_problem(refused, 404, "not_found", stated["id"])


async def test_a_provider_is_read_in_its_own_words(api: Api, run: str) -> None:
    raw = {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5, "x": 1.50}

    facts = await cost_of(
        api, run, model="claude-sonnet-4-5", provider="anthropic", raw=raw, prompt_tokens=100
    )

    assert (facts["prompt_tokens"], facts["cached_tokens"], facts["raw"]) == (100, 90, raw)
    assert facts["cost_usd"] == "0.000132"
    assert facts["price"]["version"]


async def test_counts_that_are_not_the_providers_are_refused(api: Api, run: str) -> None:
    raw = {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5}
    body = {"model": "m", "provider": "anthropic", "raw": raw, "prompt_tokens": 10}

    refused = await api.post(f"/executions/{run}/usage", body)

    assert_problem(refused, 400, "invalid_usage", "in raw 100")


# Pricing anew


@pytest.fixture
async def ended(api: Api, agent: Json) -> str:
    """A run that ended: 70 tokens without a price, 10 of a priced model, and a reported cost."""
    run = await started(api, agent["id"], session_id="monday")
    await cost_of(api, run, prompt_tokens=70)
    await cost_of(api, run, model="gpt-4o", prompt_tokens=10)
    await cost_of(api, run, prompt_tokens=5, cost_usd="0.07")
    await api.post(f"/executions/{run}/complete", {"output": {}})
    return run


WHY = {"reason": "the contract came"}


async def test_a_dry_run_says_what_would_change_and_records_nothing(
    api: Api, ended: str, agent: Json
) -> None:
    await api.post("/prices", HOUSE)
    before = (await api.get(f"/executions/{ended}")).data

    told = (await api.post("/prices/reprice", {"dry_run": True})).data

    assert (await api.get(f"/executions/{ended}")).data == before
    assert (told["executions"], told["repriced"], told["next_cursor"]) == (1, 1, None)
    assert told["differences"] == [
        {
            "agent_id": agent["id"],
            "agent_name": agent["name"],
            "model": "house-1",
            "calls": 1,
            "newly_priced_tokens": 70,
            "previous_cost_usd": "0",
            "cost_usd": "0.00014",
        }
    ]


async def test_a_new_price_counts_everywhere_and_the_old_cost_stays_in_the_history(
    api: Api, ended: str
) -> None:
    await api.post("/prices", HOUSE)

    told = (await api.post("/prices/reprice", WHY)).data

    assert told["repriced"] == 1
    execution = (await api.get(f"/executions/{ended}")).data
    assert (execution["cost_usd"], execution["unpriced_tokens"]) == ("0.070165", 0)
    assert (await api.get("/costs/summary")).data["total_cost_usd"] == "0.070165"
    assert (await api.get("/sessions/monday")).data["total_cost"] == 0.070165
    assert (await api.get("/traces/summary")).data["total_cost"] == 0.070165
    assert (await api.get("/prices/unknown")).data == []
    history = (await api.get(f"/executions/{ended}/events")).data
    assert "cost_usd" not in history[2]["data"]
    last = history[-1]
    assert (last["type"], last["data"]["reason"]) == ("usage_repriced", "the contract came")
    assert (last["data"]["sequence"], last["data"]["price"]["source"]) == (3, "workspace")
    assert last["actor"]["id"] == history[0]["actor"]["id"]


async def test_what_was_priced_anew_is_not_priced_again_for_nothing(api: Api, ended: str) -> None:
    await api.post("/prices", HOUSE)
    await api.post("/prices/reprice", WHY)

    again = (await api.post("/prices/reprice", WHY)).data

    assert (again["repriced"], again["differences"]) == (0, [])


async def test_a_second_price_takes_the_place_of_the_first(api: Api, ended: str) -> None:
    await api.post("/prices", HOUSE)
    await api.post("/prices/reprice", WHY)
    await api.post("/prices", {**HOUSE, "input": "4", "valid_from": "2020-01-01T00:00:00Z"})

    told = (await api.post("/prices/reprice", WHY)).data

    [difference] = told["differences"]
    assert (difference["previous_cost_usd"], difference["cost_usd"]) == ("0.00014", "0.00028")
    assert (await api.get(f"/executions/{ended}")).data["cost_usd"] == "0.070305"


async def test_a_known_cost_does_not_become_unknown(api: Api, ended: str) -> None:
    stated = (await api.post("/prices", HOUSE)).data
    await api.post("/prices/reprice", WHY)
    await api.post(f"/prices/{stated['id']}/end", {"valid_until": "2020-01-01T00:00:00Z"})

    assert (await api.post("/prices/reprice", WHY)).data["repriced"] == 0


async def test_only_what_the_filters_find_is_priced_anew(api: Api, ended: str) -> None:
    await api.post("/prices", HOUSE)

    told = (await api.call("POST", "/prices/reprice", WHY, model="gpt-4o", status="failed")).data
    refused = await api.call("POST", "/prices/reprice", WHY, models="gpt-4o")

    assert told["executions"] == 0
    assert_problem(refused, 400, "invalid_query", "models")


async def test_pages_of_executions_are_priced_one_after_the_other(api: Api, agent: Json) -> None:
    for _ in range(3):
        await cost_of(api, await started(api, agent["id"]), prompt_tokens=10)
    await api.post("/prices", HOUSE)

    first = (await api.call("POST", "/prices/reprice", WHY, limit=2)).data
    rest = (
        await api.call("POST", "/prices/reprice", WHY, limit=2, cursor=first["next_cursor"])
    ).data

    assert [first["repriced"], rest["repriced"]] == [2, 1]
    assert (first["total"], rest["next_cursor"]) == (3, None)


async def test_pricing_anew_needs_a_reason(api: Api) -> None:
    assert_problem(await api.post("/prices/reprice", {}), 400, "validation_error", "reason")
