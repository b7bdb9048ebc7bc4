import csv
import io
from decimal import Decimal

import pytest

from ledger.clock import utc_now
from tests.integration.api import Api, Json, assert_problem
from tests.integration.conftest import registered, spent, started

NOTHING = {
    "total_cost": 0,
    "total_cost_usd": "0",
    "total_executions": 0,
    "total_tokens": 0,
    "unpriced_tokens": 0,
    "daily_costs": [],
}


@pytest.fixture
async def spending(api: Api, agent: Json) -> Json:
    """Two agents that spent: 0.1 + 0.2 and tokens without a price, and 0.00001."""
    scribe = agent["id"]
    one = await started(api, scribe, session_id="monday", user_id="ada", metadata={"team": "law"})
    await spent(api, one, cost_usd="0.1", model="big")
    await spent(api, one, cost_usd="0.2", model="small")
    await spent(api, one, cost_usd=None, model="unheard-of")
    poet = (await registered(api, "Poet"))["id"]
    two = await started(api, poet, metadata={"team": "=SUM(A1)"})
    await spent(api, two, cost_usd="0.00001", model="small")
    return {"scribe": scribe, "poet": poet}


async def test_without_runs_nothing_was_spent(api: Api) -> None:
    assert (await api.get("/costs/summary")).data == NOTHING


async def test_the_summary_is_exact_and_counts_unpriced_tokens_apart(
    api: Api, spending: Json
) -> None:
    summary = (await api.get("/costs/summary")).data

    assert summary["total_cost_usd"] == "0.30001"
    assert summary["total_cost"] == 0.30001
    assert (summary["total_executions"], summary["total_tokens"]) == (2, 480)
    assert summary["unpriced_tokens"] == 120
    assert sum(day["executions"] for day in summary["daily_costs"]) == 2
    assert sum(Decimal(day["cost_usd"]) for day in summary["daily_costs"]) == Decimal("0.30001")


@pytest.mark.parametrize("path", ["/costs/agents/{}", "/costs/agents/{}/summary"])
async def test_an_agent_has_a_summary_of_its_own(api: Api, spending: Json, path: str) -> None:
    scribe = (await api.get(path.format(spending["scribe"]))).data
    poet = (await api.get(path.format(spending["poet"]))).data

    assert (scribe["total_cost_usd"], scribe["unpriced_tokens"]) == ("0.3", 120)
    assert (poet["total_cost_usd"], poet["unpriced_tokens"]) == ("0.00001", 0)


async def test_a_period_includes_both_of_its_days(api: Api, spending: Json) -> None:
    today = await api.get("/costs/summary", from_="2020-01-01", to=utc_now().date().isoformat())
    before = await api.get("/costs/summary", to="2020-01-01")
    after = await api.get("/costs/summary", from_="2999-01-01")

    assert today.data["total_executions"] == 2
    assert before.data == after.data == NOTHING


@pytest.mark.parametrize("query", [{"from_": "yesterday"}, {"to": "2026-13-01"}, {"until": "x"}])
async def test_a_period_that_is_none_is_refused_by_name(api: Api, query: Json) -> None:
    name = next(iter(query)).rstrip("_")

    assert_problem(await api.get("/costs/summary", **query), 400, "invalid_query", name)


async def test_an_unknown_agent_has_no_costs(api: Api) -> None:
    for path in ("/costs/agents/{}", "/costs/agents/{}/summary"):
        assert_problem(await api.get(path.format("0" * 27)), 404, "not_found")


@pytest.mark.parametrize(
    ("group_by", "groups"),
    [
        ("agent", 2),
        ("model", 3),
        ("user", 2),
        ("session", 2),
        ("workspace", 1),
        ("day", 1),
        ("metadata.team", 2),
        ("agent,model", 4),
    ],
)
async def test_the_groups_add_up_to_the_whole(
    api: Api, spending: Json, group_by: str, groups: int
) -> None:
    rows = (await api.get("/costs", group_by=group_by)).data

    assert len(rows) == groups
    known = [Decimal(row["cost_usd"]) for row in rows if row["cost_usd"] is not None]
    assert sum(known) == Decimal("0.30001")
    assert sum(row["total_tokens"] for row in rows) == 480
    assert sum(row["unpriced_tokens"] for row in rows) == 120


async def test_the_groups_are_of_the_executions_asked_for(api: Api, spending: Json) -> None:
    rows = (await api.get("/costs", group_by="agent", user_id="ada")).data

    assert len(rows) == 1
    assert spending["scribe"] in rows[0].values()


async def test_a_filter_for_a_model_leaves_the_calls_of_others_out(
    api: Api, spending: Json
) -> None:
    by_agent = (await api.get("/costs", group_by="agent", model="big")).data
    by_user = (await api.get("/costs", group_by="user", model="big")).data

    assert [row["agent"] for row in by_agent] == [spending["scribe"]]
    assert [row["user"] for row in by_user] == ["ada"]
    for row in (*by_agent, *by_user):
        assert (row["calls"], row["cost_usd"], row["executions"]) == (1, "0.1", None)


@pytest.mark.parametrize("by", ["agent", "model", "day", "agent,day", "model,agent"])
async def test_the_roll_up_and_the_sum_over_calls_say_the_same(
    api: Api, spending: Json, by: str
) -> None:
    rolled_up = (await api.get("/costs", group_by=by)).data
    added_up = (await api.get("/costs", group_by=f"{by},workspace")).data

    assert [{**row, "workspace": "default"} for row in rolled_up] == added_up


async def test_executions_that_called_no_model_count_too(api: Api, running: str) -> None:
    rows = (await api.get("/costs", group_by="session")).data

    assert rows == [
        {
            "session": "",
            "executions": 1,
            "calls": 0,
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "cached_tokens": 0,
            "cost": 0.0,
            "cost_usd": "0",
            "total_tokens": 0,
            "unpriced_tokens": 0,
        }
    ]


async def test_totals_come_as_csv_for_those_who_ask(api: Api, spending: Json) -> None:
    accept = {"Accept": "text/csv"}

    reply = await api.call("GET", "/costs", headers=accept, group_by="agent,metadata.team")

    rows = list(csv.DictReader(io.StringIO(reply.text.decode())))
    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert {row["metadata.team"] for row in rows} == {"law", "'=SUM(A1)"}
    assert {row["cost_usd"] for row in rows} == {"0.3", "0.00001"}


@pytest.mark.parametrize("query", [{"group_by": "colour"}, {"colour": "red"}])
async def test_an_unknown_grouping_or_filter_is_refused_by_name(api: Api, query: Json) -> None:
    asked = {"group_by": "agent", **query}

    assert_problem(await api.get("/costs", **asked), 400, "invalid_query", next(iter(query)))


async def test_what_is_offered_instead_of_an_unknown_filter_can_be_asked_for(api: Api) -> None:
    told = (await api.get("/costs", colour="red")).body["detail"]
    offered = told.partition("there are ")[2].split(", ")

    for name in offered:
        reply = await api.get("/costs", **{name.replace("<key>", "plan"): "x"})
        assert "there is no such filter" not in reply.text.decode()
        assert "totals have no pages" not in reply.text.decode()
    assert "agent_id" in offered


@pytest.mark.parametrize(
    ("group_by", "groups"),
    [("version", 1), ("provider", 1), ("status", 1), ("status,metadata.team", 2)],
)
async def test_totals_are_told_apart_by_all_that_is_known_of_a_call(
    api: Api, spending: Json, group_by: str, groups: int
) -> None:
    rows = (await api.get("/costs", group_by=group_by)).data

    known = [Decimal(row["cost_usd"]) for row in rows if row["cost_usd"] is not None]
    assert (len(rows), sum(known)) == (groups, Decimal("0.30001"))


async def test_totals_are_of_a_period(api: Api, spending: Json) -> None:
    today = utc_now().date().isoformat()

    within = await api.get("/costs", group_by="agent,day", from_="2020-01-01", to=today)
    before = await api.get("/costs", group_by="session", to="2020-01-01")

    assert [row["day"] for row in within.data] == [today, today]
    assert before.data == []


async def test_inclusive_costs_are_asked_for_by_their_name(api: Api, spending: Json) -> None:
    rows = (await api.get("/costs", group_by="workspace", scope="inclusive")).data

    assert [row["inclusive_cost_usd"] for row in rows] == ["0.30001"]
    assert "cost_usd" not in rows[0]


async def test_an_export_has_the_rows_of_the_answer(api: Api, spending: Json) -> None:
    reply = await api.call("GET", "/costs", group_by="user,model", format="csv")

    rows = (await api.get("/costs", group_by="user,model")).data
    exported = list(csv.DictReader(io.StringIO(reply.text.decode())))
    assert [row["cost_usd"] or None for row in exported] == [row["cost_usd"] for row in rows]
    assert reply.headers["Content-Disposition"] == 'attachment; filename="costs.csv"'


async def test_costs_come_as_charges_of_focus(api: Api, spending: Json) -> None:
    reply = await api.call("GET", "/costs", group_by="metadata.team", format="focus")

    rows = list(csv.DictReader(io.StringIO(reply.text.decode())))
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal("0.30001")
    assert sum(int(row["x_UnpricedTokens"]) for row in rows) == 120
    assert {row["ResourceName"] for row in rows} == {"Scribe", "Poet"}
    assert {row["Tags"] for row in rows} >= {'{"metadata.team":"law"}'}


@pytest.mark.parametrize(
    "query",
    [{"format": "xml"}, {"scope": "both"}, {"from_": "today"}, {"to": "2026-13-01"}, {"page": 2}],
)
async def test_what_has_no_meaning_for_totals_is_refused_by_name(api: Api, query: Json) -> None:
    name = next(iter(query)).rstrip("_")

    assert_problem(await api.get("/costs", **query), 400, "invalid_query", name)
