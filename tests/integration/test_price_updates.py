"""LEDGER_PRICE_LIST=updated, against a server of price lists that is there, broken, or away."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import genai_prices
import pytest

from server.app import build_app
from server.settings import InvalidSettings, read_settings
from tests.integration.api import Api, Json
from tests.integration.conftest import registered, serving, started
from tests.price_server import PriceServer, listing, price_server
from tests.quick_settings import quick_settings
from tests.stores import database_in

MODEL = "house-model"
PACKAGED = "gpt-4o"
A_MILLION = {"provider": "openai", "prompt_tokens": 1_000_000}


@pytest.fixture
def lists() -> Iterator[PriceServer]:
    with price_server() as server:
        yield server


@asynccontextmanager
async def updated(folder: Path, url: str) -> AsyncIterator[Api]:
    """A ledger that fetches its prices many times a second."""
    settings = quick_settings(
        database_in(folder),
        price_list="updated",
        price_list_url=url,
        price_list_seconds=0.02,
    )
    async with serving(build_app(settings, worker=False)) as api:
        yield api


async def run_of(api: Api) -> str:
    return await started(api, (await registered(api))["id"])


async def spend(api: Api, run: str, model: str = MODEL) -> Json:
    """The usage event that a report becomes."""
    reply = await api.post(f"/executions/{run}/usage", {"model": model, **A_MILLION})
    assert reply.status == 200, reply.text
    recorded: Json = (await api.get(f"/executions/{run}/events", type="usage_recorded")).data[-1]
    facts: Json = recorded["data"]
    return facts


async def test_a_fetched_list_prices_what_comes_and_is_named_in_the_event(
    tmp_path: Path, lists: PriceServer
) -> None:
    lists.answer(listing(MODEL, "3"))
    async with updated(tmp_path, lists.url) as api:
        lists.wait_for_more()

        facts = await spend(api, await run_of(api))

    assert (facts["cost_usd"], facts["price"]["source"]) == ("3", "genai-prices")
    assert facts["price"]["version"].startswith(f"{genai_prices.__version__}+2")
    assert facts["price"]["version"].endswith("Z")


async def test_a_newer_list_counts_for_later_events_only(
    tmp_path: Path, lists: PriceServer
) -> None:
    lists.answer(listing(MODEL, "3"))
    async with updated(tmp_path, lists.url) as api:
        lists.wait_for_more()
        run = await run_of(api)
        before = await spend(api, run)

        lists.answer(listing(MODEL, "5"))
        lists.wait_for_more()
        after = await spend(api, run)

        history = (await api.get(f"/executions/{run}/events", type="usage_recorded")).data
        execution = (await api.get(f"/executions/{run}")).data
    assert [each["data"]["cost_usd"] for each in history] == ["3", "5"]
    assert [each["price"]["rows"][0]["usd"] for each in (before, after)] == ["3", "5"]
    assert execution["cost_usd"] == "8"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not JSON", 200),
        (b'{"providers": []}', 200),
        ([{"id": "openai"}], 200),
        ([], 200),
        (listing(MODEL, "7"), 503),
    ],
)
async def test_a_broken_list_leaves_the_last_one_in_force(
    tmp_path: Path, lists: PriceServer, body: Any, status: int
) -> None:
    lists.answer(listing(MODEL, "3"))
    async with updated(tmp_path, lists.url) as api:
        lists.wait_for_more()

        lists.answer(body, status)
        lists.wait_for_more()

        assert (await spend(api, await run_of(api)))["cost_usd"] == "3"


async def test_while_no_list_was_ever_had_the_packaged_one_counts(
    tmp_path: Path, lists: PriceServer
) -> None:
    lists.answer(b"out of order", 500)
    async with updated(tmp_path, lists.url) as api:
        lists.wait_for_more()

        facts = await spend(api, await run_of(api), PACKAGED)

    assert facts["price"]["version"] == genai_prices.__version__


async def test_a_server_of_lists_that_is_away_keeps_nothing_from_being_recorded(
    tmp_path: Path, lists: PriceServer
) -> None:
    with socket.socket() as taken:  # bound and not listening: whoever connects is refused
        taken.bind(("127.0.0.1", 0))
        async with updated(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}") as api:
            facts = await spend(api, await run_of(api), PACKAGED)

    assert facts["price"]["version"] == genai_prices.__version__


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="LEDGER_PRICE_LIST_URL"):
        read_settings({"LEDGER_PRICE_LIST_URL": "file:///etc/prices"})
