"""Who was told "recorded" sees it in the next query; an answer that lacks something says so."""

from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from server.app import build_app
from server.services import SERVICES
from server.settings import read_settings
from tests.stores import database_in

pytestmark = pytest.mark.both_stores


async def test_a_query_sees_what_was_recorded_before_it(tmp_path: Path) -> None:
    app = build_app(read_settings({}, database=database_in(tmp_path, "a.db")), worker=False)
    async with TestClient(TestServer(app)) as client:
        for _ in range(20):
            body = {"agent": "a", "input": {}}
            made = await (await client.post("/api/v1/executions", json=body)).json()
            id_ = made["data"]["id"]
            await client.post(f"/api/v1/executions/{id_}/start", json={})

            answer = await client.get("/api/v1/executions", params={"status": "running"})

            assert id_ in [each["id"] for each in (await answer.json())["data"]]
            assert "X-Ledger-Behind" not in answer.headers


async def test_an_answer_that_could_not_wait_any_longer_says_what_it_lacks(tmp_path: Path) -> None:
    """The views stand still here: their loop was stopped, as a stalled disk would stop it."""
    settings = read_settings(
        {}, database=database_in(tmp_path, "a.db"), read_your_writes_seconds=0.01
    )
    app = build_app(settings, worker=False)
    async with TestClient(TestServer(app)) as client:
        app[SERVICES].catch_up.stop()
        made = await client.post("/api/v1/executions", json={"agent": "a", "input": {}})
        id_ = (await made.json())["data"]["id"]

        answer = await client.get("/api/v1/executions")

        assert (await answer.json())["data"] == []
        assert int(answer.headers["X-Ledger-Behind"]) == 3
        missing = await client.get(f"/api/v1/executions/{id_}")
        assert (missing.status, missing.headers["Retry-After"]) == (503, "1")
        metrics = await (await client.get("/metrics")).text()
        assert "projection_lag_events 3.0" in metrics
