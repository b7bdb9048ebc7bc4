from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from ledger.execution import Execution
from projections import costs, dashboard
from projections.errors import InvalidQuery
from tests.strategies import BEGINNING
from tests.views import Told, telling

pytestmark = pytest.mark.both_stores

TODAY = BEGINNING.date()
TOMORROW = TODAY + timedelta(days=1)
NOTHING = {
    "total_cost": 0,
    "total_cost_usd": "0",
    "total_executions": 0,
    "total_tokens": 0,
    "unpriced_tokens": 0,
    "daily_costs": [],
}


@pytest.fixture
def told() -> Iterator[Told]:
    with telling() as told:
        yield told


def fail(told: Told, execution: Execution) -> None:
    facts = {"error": "broken", "error_code": "error"}
    told.do(execution, lambda stamp: execution.fail(stamp, facts))


def test_without_runs_nothing_was_spent(told: Told) -> None:
    assert told.ask(costs.summary, "acme") == NOTHING


def test_a_call_counts_on_its_own_day_and_an_execution_on_that_of_its_creation(
    told: Told,
) -> None:
    execution = told.running()
    told.spend(execution, cost="0.0000000001")
    told.later(24 * 60 * 60)
    told.spend(execution, cost="0.1")
    told.spend(execution, cost="0.2", occurred_at=BEGINNING)

    assert told.ask(costs.summary, "acme") == {
        "total_cost": 0.3000000001,
        "total_cost_usd": "0.3000000001",
        "total_executions": 1,
        "total_tokens": 360,
        "unpriced_tokens": 0,
        "daily_costs": [
            {
                "date": TODAY.isoformat(),
                "cost": 0.2000000001,
                "cost_usd": "0.2000000001",
                "executions": 1,
                "tokens": 240,
                "unpriced_tokens": 0,
            },
            {
                "date": TOMORROW.isoformat(),
                "cost": 0.1,
                "cost_usd": "0.1",
                "executions": 0,
                "tokens": 120,
                "unpriced_tokens": 0,
            },
        ],
    }


def test_what_nobody_has_a_price_for_is_unknown_and_not_free(told: Told) -> None:
    execution = told.running()
    told.spend(execution, cost=None)

    summary = told.ask(costs.summary, "acme")

    assert (summary["total_cost"], summary["total_cost_usd"]) == (None, None)
    assert (summary["total_tokens"], summary["unpriced_tokens"]) == (120, 120)
    told.spend(execution, cost="0.5")
    assert told.ask(costs.summary, "acme")["total_cost_usd"] == "0.5"


def test_a_summary_is_of_the_period_and_the_agent_that_it_names(told: Told) -> None:
    told.spend(told.running())
    told.later(24 * 60 * 60)
    told.spend(told.running(agent_id="agent-2"), cost="0.2")

    def spent(**asked: Any) -> str:
        found: str = told.ask(costs.summary, "acme", **asked)["total_cost_usd"]
        return found

    assert spent(first=TODAY, last=TOMORROW) == "0.201"
    assert spent(last=TODAY) == spent(agent_id="agent-1") == "0.001"
    assert spent(first=TOMORROW) == spent(agent_id="agent-2") == "0.2"
    assert spent(first=TOMORROW + timedelta(days=1)) == "0"
    assert spent(agent_id="agent-3") == "0"


def test_totals_are_grouped_by_what_is_asked(told: Told) -> None:
    execution = told.running()
    told.spend(execution, "big", cost="0.1")
    told.spend(execution, "small", cost=None)
    told.spend(told.running(agent_id="agent-2"), "big", cost="0.2")

    by_agent = told.ask(costs.grouped, "acme", ["agent"])
    by_model = told.ask(costs.grouped, "acme", ["model", "agent"])

    assert [(row["agent"], row["executions"], row["cost_usd"]) for row in by_agent] == [
        ("agent-1", 1, "0.1"),
        ("agent-2", 1, "0.2"),
    ]
    assert [(row["model"], row["agent"], row["calls"], row["cost_usd"]) for row in by_model] == [
        ("big", "agent-1", 1, "0.1"),
        ("big", "agent-2", 1, "0.2"),
        ("small", "agent-1", 1, None),
    ]
    assert {row["executions"] for row in by_model} == {None}
    assert [row["day"] for row in told.ask(costs.grouped, "acme", ["day"])] == [TODAY.isoformat()]


def test_totals_are_of_the_agent_and_the_model_that_are_asked_for(told: Told) -> None:
    execution = told.running()
    told.spend(execution, "big", cost="0.1")
    told.spend(execution, "small", cost="0.2")

    (of_model,) = told.ask(costs.grouped, "acme", ["agent"], model="small")

    assert (of_model["agent"], of_model["cost_usd"]) == ("agent-1", "0.2")
    assert told.ask(costs.grouped, "acme", ["agent"], agent_id="agent-2") == []


@pytest.mark.parametrize("group_by", [[], ["colour"], ["agent", "colour"]])
def test_a_group_that_is_none_is_refused_by_name(told: Told, group_by: list[str]) -> None:
    with pytest.raises(InvalidQuery, match=group_by[-1] if group_by else "by what") as refusal:
        told.ask(costs.grouped, "acme", group_by)

    assert refusal.value.name == "group_by"


def test_costs_of_another_workspace_do_not_exist(told: Told) -> None:
    told.spend(told.running("umbrella"))

    assert told.ask(costs.summary, "acme") == NOTHING
    assert told.ask(costs.grouped, "acme", ["agent", "model", "day"]) == []
    assert told.ask(dashboard.metrics, "acme", 1, TODAY)["overview"]["total_executions"] == 0


def test_a_dashboard_shows_every_day_of_the_period(told: Told) -> None:
    old = told.running()
    told.spend(old, cost="5")
    told.later(24 * 60 * 60)
    execution = told.running(agent_id="agent-2")
    told.spend(execution, "big", cost="0.1")
    told.later(2)
    fail(told, execution)
    told.running()

    figures = told.ask(dashboard.metrics, "acme", 3, TOMORROW + timedelta(days=1))

    days = [(TODAY + timedelta(days=n)).isoformat() for n in range(3)]
    assert figures["executions_by_day"] == [
        {"date": day, "count": count} for day, count in zip(days, (1, 2, 0), strict=True)
    ]
    assert [day["cost_usd"] for day in figures["cost_by_day"]] == ["5", "0.1", "0"]
    assert [day["error_rate"] for day in figures["error_rate"]] == [0, 0.5, 0]
    assert figures["overview"] == {
        "total_executions": 3,
        "total_cost": 5.1,
        "total_cost_usd": "5.1",
        "total_tokens": 240,
        "unpriced_tokens": 0,
        "total_agents": 0,
        "error_count": 1,
        "avg_duration_ms": 2000,
    }
    assert [(each["agent_id"], each["executions"]) for each in figures["agent_usage"]] == [
        ("agent-1", 2),
        ("agent-2", 1),
    ]
    assert {each["model_name"]: each["count"] for each in figures["model_usage"]} == {
        "gpt-x": 1,
        "big": 1,
    }


def test_a_dashboard_leaves_out_what_was_before(told: Told) -> None:
    told.spend(told.running())

    figures = told.ask(dashboard.metrics, "acme", 1, TOMORROW)

    assert figures["overview"]["total_executions"] == 0
    assert figures["agent_usage"] == figures["model_usage"] == []
