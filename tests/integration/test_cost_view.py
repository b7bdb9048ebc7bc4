from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from ledger.execution import Execution
from projections import cost_groups, costs, dashboard, focus
from projections.cost_questions import Scope, question
from projections.errors import InvalidQuery
from projections.filters import parse_filters
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


def grouped(told: Told, group_by: str, **filters: str) -> list[dict[str, Any]]:
    asked = question("acme", group_by.split(","), parse_filters(filters.items()))
    found: list[dict[str, Any]] = told.ask(cost_groups.grouped, asked)
    return found


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

    by_agent = grouped(told, "agent")
    by_model = grouped(told, "model,agent")

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
    assert [row["day"] for row in grouped(told, "day")] == [TODAY.isoformat()]


def test_totals_are_of_the_agent_and_the_model_that_are_asked_for(told: Told) -> None:
    execution = told.running()
    told.spend(execution, "big", cost="0.1")
    told.spend(execution, "small", cost="0.2")

    (of_model,) = grouped(told, "agent", model="small")

    assert (of_model["agent"], of_model["cost_usd"]) == ("agent-1", "0.2")
    assert grouped(told, "agent", agent_id="agent-2") == []


@pytest.mark.parametrize("group_by", [[], ["colour"], ["agent", "colour"]])
def test_a_group_that_is_none_is_refused_by_name(group_by: list[str]) -> None:
    with pytest.raises(InvalidQuery, match=group_by[-1] if group_by else "by what") as refusal:
        question("acme", group_by)

    assert refusal.value.name == "group_by"


def test_costs_of_another_workspace_do_not_exist(told: Told) -> None:
    told.spend(told.running("umbrella"))

    assert told.ask(costs.summary, "acme") == NOTHING
    assert grouped(told, "agent,model,day") == []
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


def spent_by(told: Told, name: str, **filters: str) -> dict[str, tuple[int, str]]:
    rows = grouped(told, name, **filters)
    return {row[name]: (row["executions"], row["cost_usd"]) for row in rows}


def test_what_an_execution_spent_goes_with_its_status(told: Told) -> None:
    execution = told.running()
    told.spend(execution, cost="0.1")

    before = spent_by(told, "status")
    fail(told, execution)

    assert before == {"running": (1, "0.1")}
    assert spent_by(told, "status") == spent_by(told, "status", status="failed")
    assert spent_by(told, "status") == {"failed": (1, "0.1")}


def test_what_an_execution_spent_goes_with_its_metadata(told: Told) -> None:
    execution = told.running(metadata={"team": "law"})
    told.spend(execution, cost="0.1")
    told.spend(told.running(), cost="0.2")

    before = spent_by(told, "metadata.team")
    told.do(execution, lambda stamp: execution.annotate(stamp, {"team": "art", "tier": 1}))

    assert before == {"": (1, "0.2"), "law": (1, "0.1")}
    assert spent_by(told, "metadata.team") == {"": (1, "0.2"), "art": (1, "0.1")}
    assert spent_by(told, "metadata.tier") == {"": (1, "0.2"), "1": (1, "0.1")}


def test_inclusive_costs_stand_under_the_execution_at_the_top(told: Told) -> None:
    parent = told.running(agent_id="agent-1")
    child = told.create("acme", parent, agent_id="agent-2")
    told.do(child, lambda stamp: child.start(stamp, "worker-1"))
    told.spend(parent, cost="0.1")
    told.spend(child, cost="0.2")

    own = grouped(told, "agent")
    (whole,) = inclusive(told, "agent")

    assert [(row["agent"], row["cost_usd"]) for row in own] == [
        ("agent-1", "0.1"),
        ("agent-2", "0.2"),
    ]
    assert (whole["agent"], whole["executions"]) == ("agent-1", 2)
    assert whole["inclusive_cost_usd"] == "0.3"
    assert "cost" not in whole
    assert "cost_usd" not in whole


def inclusive(told: Told, group_by: str) -> list[dict[str, Any]]:
    asked = question("acme", [group_by], scope=Scope.INCLUSIVE)
    found: list[dict[str, Any]] = told.ask(cost_groups.grouped, asked)
    return found


def test_a_charge_says_what_focus_demands(told: Told) -> None:
    execution = told.running(agent_id="agent-1", user_id="ada")
    told.spend(execution, "big", cost="0.1", provider="openai")
    told.spend(execution, "big", cost=None, provider="openai")
    asked = focus.charges_of(question("acme", ["user"]))

    ((charge,),) = told.ask(lambda connection: list(focus.charges(connection, asked)))

    assert set(charge) == set(focus.COLUMNS)
    assert charge["BilledCost"] == charge["EffectiveCost"] == charge["ListCost"] == "0.1"
    assert charge["BillingPeriodStart"] == "2026-01-01T00:00:00Z"
    assert charge["BillingPeriodEnd"] == "2026-02-01T00:00:00Z"
    assert charge["ChargePeriodStart"] == "2026-01-31T00:00:00Z"
    assert charge["ChargePeriodEnd"] == "2026-02-01T00:00:00Z"
    assert (charge["ConsumedQuantity"], charge["PricingQuantity"]) == (240, 120)
    assert charge["x_UnpricedTokens"] == 120
    assert charge["ProviderName"] == charge["InvoiceIssuerName"] == "openai"
    assert (charge["SkuId"], charge["Tags"]) == ("big", '{"user":"ada"}')


def test_what_focus_wants_to_know_is_never_missing(told: Told) -> None:
    told.spend(told.running(), cost=None)
    asked = focus.charges_of(question("acme", ["hour"]))

    ((charge,),) = told.ask(lambda connection: list(focus.charges(connection, asked)))

    may_be_null = {"BillingAccountName", "ChargeClass", "Tags"}
    assert {name for name, value in charge.items() if value is None} == may_be_null
    assert charge["ChargePeriodEnd"] == "2026-01-31T13:00:00Z"
    assert charge["ProviderName"] == "Unknown"
    assert (charge["BilledCost"], charge["PricingQuantity"]) == ("0", 0)
    assert "120 tokens of unknown price" in charge["ChargeDescription"]


def test_more_groups_than_an_answer_holds_are_read_in_parts(told: Told) -> None:
    told.spend(told.running(agent_id="agent-1"))
    told.spend(told.running(agent_id="agent-2"))
    asked = question("acme", ["agent"])

    with pytest.raises(InvalidQuery, match="more than 1 groups") as refusal:
        told.ask(cost_groups.grouped, asked, most=1)

    (rows,) = told.ask(lambda connection: list(cost_groups.each(connection, asked)))
    assert refusal.value.name == "group_by"
    assert len(rows) == 2
