"""An export of charges, held against the rules of FOCUS 1.2."""

import csv
import io
from decimal import Decimal

import pytest

from tests.focus_rules import RULES, Row, violations
from tests.integration.api import Api, Json
from tests.integration.conftest import spent, started

EXPORTS: list[Json] = [
    {},
    {"group_by": "hour"},
    {"group_by": "metadata.team,user,session,status,version,workspace"},
    {"group_by": "metadata.team", "scope": "inclusive"},
    {"group_by": "hour,metadata.no-such-key", "model": "tiny"},
]


@pytest.fixture
async def spending(api: Api, agent: Json) -> None:
    """Costs of all kinds: whole, tiny, large, nothing, unknown; with a provider and without."""
    run = await started(api, agent["id"], user_id="=ada", metadata={"team": 'law "and" order'})
    await spent(api, run, cost_usd="1", model="whole", provider="openai")
    await spent(api, run, cost_usd="0.000000000123", model="tiny")
    await spent(api, run, cost_usd="123456789.123456789", model="large")
    await spent(api, run, cost_usd="0", model="free", provider="our own")
    other = await started(api, agent["id"], parent_execution_id=run)
    await spent(api, other, cost_usd=None, model="unheard-of")


async def exported(api: Api, query: Json) -> tuple[list[str], list[Row]]:
    reply = await api.call("GET", "/costs", format="focus", **query)
    reader = csv.DictReader(io.StringIO(reply.text.decode()))
    return list(reader.fieldnames or ()), list(reader)


@pytest.mark.parametrize("query", EXPORTS)
async def test_every_column_of_every_charge_keeps_the_rules(
    api: Api, spending: None, query: Json
) -> None:
    columns, rows = await exported(api, query)

    assert violations(columns, rows) == []
    assert len(rows) == (1 if "model" in query else 5)


async def test_what_is_billed_is_what_is_known(api: Api, spending: None) -> None:
    _, rows = await exported(api, {})

    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal("123456790.123456789123")
    assert {row["SkuId"] for row in rows if row["PricingQuantity"] == "0"} == {"unheard-of"}


async def test_an_export_of_nothing_has_its_columns(api: Api) -> None:
    columns, rows = await exported(api, {})

    assert (violations(columns, rows), rows) == ([], [])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"BilledCost": "1e-7"}, "BilledCost must not be '1e-7'"),
        ({"BilledCost": ""}, "BilledCost must not be ''"),
        ({"ChargeCategory": "Use"}, "ChargeCategory must not be 'Use'"),
        ({"ChargePeriodStart": "2026-01-31"}, "ChargePeriodStart must not be '2026-01-31'"),
        ({"Tags": '{"a":{}}'}, "Tags must not be '{\"a\":{}}'"),
        ({"BillingPeriodEnd": "2020-01-01T00:00:00Z"}, "a charge is within its billing period"),
    ],
)
async def test_the_rules_find_what_breaks_them(
    api: Api, spending: None, change: Row, said: str
) -> None:
    columns, rows = await exported(api, {})

    assert violations(columns, [{**rows[0], **change}]) == [said]
    assert "ListCost is missing" in violations(["BilledCost"], [])
    assert set(columns) >= set(RULES)
