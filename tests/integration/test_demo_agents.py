"""What the demo agents answer, asked as everybody asks."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from server.app import build_app
from server.demo import PRICES, agents
from tests.integration.api import Api
from tests.quick_settings import quick_settings
from tests.stores import database_in

Json = dict[str, Any]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """A server with the demo agents and their price."""
    database = database_in(tmp_path)
    settings = quick_settings(database, wait_seconds=25, prices=PRICES)
    async with TestClient(TestServer(build_app(settings, agents=agents))) as client:
        yield Api(client)


async def answer(api: Api, agent: str, **input_: Any) -> Json:
    found = (await api.get(f"/agents?name={agent}")).data
    execution: Json = (await api.post(f"/agents/{found[0]['id']}/execute", {"input": input_})).data
    return execution


@pytest.mark.parametrize(
    ("question", "kind", "said"),
    [
        ("Where is order 10079?", "shipment", "delivered on 2026-10-30, a day late"),
        ("When does 10086 arrive?", "shipment", "is on its way, due on 2026-11-03"),
        ("Where is 10088?", "shipment", "has not been shipped yet"),
        ("What is the status of 10062?", "shipment", "was cancelled on 2026-10-14"),
        ("Where is order 10058?", "shipment", "was reported lost on 2026-10-22"),
        ("What is in order 10085?", "items", "1 x Saddle stool"),
        ("How much did order 10084 cost?", "price", "came to $17.90, of which $5.90"),
        ("Where is order 99999?", "unknown", "there is no order 99999"),
        ("Which orders do you have of Grace Novak?", "customer", "10086 of 2026-10-29"),
        ("What did grace.novak@example.com order?", "customer", "10086 of 2026-10-29"),
        ("What did nobody@example.com order?", "customer", "There are no orders"),
        ("Which orders do you have of Charles Nobody?", "help", "Please give me"),
        ("hello?", "help", "Please give me an order number"),
    ],
)
async def test_a_question_is_answered_from_the_records(
    api: Api, question: str, kind: str, said: str
) -> None:
    execution = await answer(api, "order-support", question=question)

    assert execution["status"] == "completed", execution["error"]
    assert execution["output"]["kind"] == kind
    assert said in execution["output"]["answer"]
    assert execution["token_usage"]["total_tokens"] == 0


async def test_what_is_streamed_is_the_answer(api: Api) -> None:
    execution = await answer(api, "order-support", question="Where is order 10079?")

    events = (await api.get(f"/executions/{execution['id']}/events?type=content_streamed")).data

    streamed = "".join(event["data"]["content"] for event in events)
    assert streamed == execution["output"]["answer"]
    assert len(events) > 1


async def test_the_customer_who_asks_is_known_by_their_address(api: Api) -> None:
    execution = await answer(
        api, "order-support", question="What did I order?", email="Grace.Novak@example.com"
    )

    assert execution["output"]["orders"][0] == "10086"


async def test_counted_words_have_the_demos_price(api: Api) -> None:
    execution = await answer(
        api, "text-statistics", text="A log is a log. A table is.", sentences=1
    )

    assert execution["output"]["summary"] == "A log is a log."
    usage = execution["token_usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (8, 5)
    assert float(execution["cost_usd"]) == pytest.approx((8 * 0.05 + 5 * 0.20) / 1_000_000)
    assert execution["unpriced_tokens"] == 0


@pytest.mark.parametrize(
    ("input_", "status"),
    [
        ({"order_id": "10080", "reason": "damaged"}, "completed"),
        ({"order_id": "10066", "reason": "damaged"}, "awaiting_approval"),
        ({"order_id": "10062", "reason": "unwanted"}, "failed"),
        ({"order_id": "99999", "reason": "unwanted"}, "failed"),
    ],
)
async def test_a_refund_is_worked_out_and_asked_for_above_the_limit(
    api: Api, input_: Json, status: str
) -> None:
    execution = await answer(api, "refund", **input_)

    assert execution["status"] == status


async def test_a_bad_input_is_refused_and_nothing_recorded(api: Api) -> None:
    found = (await api.get("/agents?name=refund")).data
    bad = {"input": {"order_id": "ten", "reason": "bored"}}

    refused = await api.post(f"/agents/{found[0]['id']}/execute", bad)

    assert refused.status == 400
    assert refused.body["error"]["code"] == "invalid_input"
    assert (await api.get("/executions")).data == []
