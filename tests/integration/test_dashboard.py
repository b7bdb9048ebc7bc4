import pytest

from ledger.clock import utc_now
from tests.integration.api import Api, Json, assert_problem
from tests.integration.conftest import spent, started


async def test_a_new_ledger_has_empty_figures(api: Api) -> None:
    figures = (await api.get("/dashboard/metrics")).data

    assert figures["overview"]["total_executions"] == 0
    assert figures["overview"]["error_count"] == 0
    assert figures["agent_usage"] == figures["model_usage"] == []


async def test_the_figures_add_up_the_last_days(api: Api, agent: Json, running: str) -> None:
    await spent(api, running)
    await api.post(f"/executions/{running}/complete", {"output": {}})
    failed = await started(api, agent["id"])
    await api.post(f"/executions/{failed}/fail", {"error": "no luck"})

    figures = (await api.get("/dashboard/metrics", days=7)).data

    overview = figures["overview"]
    assert (overview["total_executions"], overview["error_count"]) == (2, 1)
    assert (overview["total_agents"], overview["total_tokens"]) == (1, 120)
    assert (overview["total_cost"], overview["total_cost_usd"]) == (0.003, "0.003")
    assert sum(day["count"] for day in figures["executions_by_day"]) == 2
    assert sum(day["cost"] for day in figures["cost_by_day"]) == 0.003
    assert [usage["agent_name"] for usage in figures["agent_usage"]] == [agent["name"]]
    assert figures["agent_usage"][0]["executions"] == 2
    assert [usage["model_name"] for usage in figures["model_usage"]] == ["gpt-x"]
    rates = [day for day in figures["error_rate"] if day["total"]]
    assert sum(day["errors"] for day in rates) == 1
    assert max(day["date"] for day in rates) <= utc_now().date().isoformat()


@pytest.mark.parametrize("days", ["0", "-1", "many", "100000"])
async def test_a_number_of_days_that_is_none_is_refused(api: Api, days: str) -> None:
    assert_problem(await api.get("/dashboard/metrics", days=days), 400, "invalid_query", "days")
