"""Who was told "recorded" sees it in the next query; an answer that lacks something says so."""

import asyncio
from concurrent.futures import Future
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from projections.catalog import ALL
from server.app import build_app
from server.services import SERVICES
from tests.quick_settings import quick_settings
from tests.recording import ACME, created, wait_until
from tests.stores import database_in

POSITION = "X-Ledger-Position"
pytestmark = pytest.mark.both_stores


async def test_a_query_sees_what_was_recorded_before_it(tmp_path: Path) -> None:
    app = build_app(quick_settings(database_in(tmp_path, "a.db")), worker=False)
    async with TestClient(TestServer(app)) as client:
        for _ in range(20):
            body = {"agent": "a", "input": {}}
            made = await (await client.post("/api/v1/executions", json=body)).json()
            id_ = made["data"]["id"]
            await client.post(f"/api/v1/executions/{id_}/start", json={})

            answer = await client.get("/api/v1/executions", params={"status": "running"})

            assert id_ in [each["id"] for each in (await answer.json())["data"]]
            assert "X-Ledger-Behind" not in answer.headers


async def test_what_one_turn_of_the_event_loop_asks_for_is_one_commit(tmp_path: Path) -> None:
    app = build_app(quick_settings(database_in(tmp_path, "a.db")), worker=False)
    async with TestClient(TestServer(app)):
        services = app[SERVICES]
        ledger = services.ledger
        waiting: list[int] = []

        async def in_the_same_turn() -> None:
            """Another thread's command passes, which is not of this turn."""
            ledger.submit(created(agent_name="Other"), ACME, Future())
            wait_until(lambda: ledger.position > 0)
            waiting.append(ledger.waiting)

        asked = [services.record(created(), ACME) for _ in range(20)]
        *receipts, _ = await asyncio.gather(*asked, in_the_same_turn())

        assert len({receipt.id for receipt in receipts if receipt}) == 20
        assert waiting == [20]
        metrics = services.metrics.exposition().decode()
        assert "ledger_batch_commands_sum 21.0" in metrics
        assert "ledger_batch_commands_count 2.0" in metrics


async def test_an_answer_that_could_not_wait_any_longer_says_what_it_lacks(tmp_path: Path) -> None:
    """The views stand still here: their loop was stopped, as a stalled disk would stop it."""
    settings = quick_settings(database_in(tmp_path, "a.db"), read_your_writes_seconds=0.01)
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


async def test_the_answer_to_a_write_waits_longer_than_a_query(tmp_path: Path) -> None:
    """The views stand still, as on a stalled disk, for longer than a query would wait."""
    settings = quick_settings(database_in(tmp_path, "a.db"), read_your_writes_seconds=0.01)
    app = build_app(settings, worker=False)
    async with TestClient(TestServer(app)) as client:
        services = app[SERVICES]
        with services.views.writing():  # nobody else writes to the views meanwhile
            making = asyncio.create_task(client.post("/api/v1/agents", json={"name": "Scribe"}))
            await asyncio.to_thread(wait_until, lambda: services.ledger.position > 0)
            late = await client.get("/api/v1/agents")
            assert int(late.headers["X-Ledger-Behind"]) > 0
            assert not making.done()

        made = await making

        assert (made.status, (await made.json())["data"]["name"]) == (201, "Scribe")
        assert "X-Ledger-Behind" not in made.headers


async def test_a_write_that_cannot_be_shown_is_not_to_be_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.services.OWN_WRITE_SECONDS", 0.01)
    settings = quick_settings(database_in(tmp_path, "a.db"), read_your_writes_seconds=0.01)
    app = build_app(settings, worker=False)
    async with TestClient(TestServer(app)) as client:
        app[SERVICES].catch_up.stop()

        reply = await client.post("/api/v1/agents", json={"name": "Scribe"})
        missing = await client.get("/api/v1/agents/nobody")

        assert (reply.status, missing.status) == (503, 503)
        last = app[SERVICES].ledger.read_log(0, 10)[-1]
        told = (await reply.json())["error"]
        assert told.startswith(f"'{last.id}' is recorded,")
        assert "do not send it again" in told
        assert "ask again" in (await missing.json())["error"]


async def test_an_answer_to_a_write_says_how_far_the_log_was(tmp_path: Path) -> None:
    app = build_app(quick_settings(database_in(tmp_path, "a.db")), worker=False)
    async with TestClient(TestServer(app)) as client:
        made = await client.post("/api/v1/executions", json={"agent": "a", "input": {}})
        id_ = (await made.json())["data"]["id"]
        first = int(made.headers["X-Ledger-Position"])
        begun = await client.post(f"/api/v1/executions/{id_}/start", json={})

        assert first == app[SERVICES].ledger.position - 1
        assert int(begun.headers["X-Ledger-Position"]) == first + 1
        refused = await client.post(f"/api/v1/executions/{id_}/start", json={})
        assert "X-Ledger-Position" not in refused.headers
        assert "X-Ledger-Position" not in (await client.get("/api/v1/executions")).headers


@pytest.mark.parametrize("how", ["parameter", "header"])
async def test_a_query_waits_for_a_position_that_its_caller_knows(tmp_path: Path, how: str) -> None:
    app = build_app(quick_settings(database_in(tmp_path, f"{how}.db")), worker=False)
    async with TestClient(TestServer(app)) as client:
        made = await client.post("/api/v1/executions", json={"agent": "a", "input": {}})
        coming = int(made.headers["X-Ledger-Position"]) + 1
        asked = asyncio.create_task(
            client.get("/api/v1/executions", params={"status": "running", "min_position": coming})
            if how == "parameter"
            else client.get(
                "/api/v1/executions",
                params={"status": "running"},
                headers={"X-Ledger-Position": str(coming)},
            )
        )
        await asyncio.sleep(0)
        id_ = (await made.json())["data"]["id"]
        await client.post(f"/api/v1/executions/{id_}/start", json={})

        answer = await asked

        assert [each["id"] for each in (await answer.json())["data"]] == [id_]


async def test_a_position_that_does_not_come_is_waited_for_no_longer_than_the_bound(
    tmp_path: Path,
) -> None:
    settings = quick_settings(database_in(tmp_path, "a.db"), read_your_writes_seconds=0.01)
    app = build_app(settings, worker=False)
    async with TestClient(TestServer(app)) as client:
        run = {"agent": "a", "input": {}}  # answered from the receipt: no view is waited for
        begun = await client.post("/api/v1/executions", json=run)
        last = int(begun.headers[POSITION])
        assert await app[SERVICES].catch_up.reached(last, 30)

        answer = await client.get("/api/v1/executions", params={"min_position": last + 7})
        written = await client.post(
            "/api/v1/executions", json=run, headers={POSITION: str(last + 7)}
        )

        assert answer.headers["X-Ledger-Behind"] == "7"
        assert (written.status, int(written.headers[POSITION]) < last + 7) == (201, True)


@pytest.mark.parametrize("bad", ["-1", "1.5", "seven", "", "1" * 30])
async def test_what_is_no_position_is_refused_by_its_name(tmp_path: Path, bad: str) -> None:
    app = build_app(quick_settings(database_in(tmp_path, "a.db")), worker=False)
    async with TestClient(TestServer(app)) as client:
        for path in ("/api/v1/executions", "/api/v1/costs", "/api/v1/sessions"):
            by_parameter = await client.get(path, params={"min_position": bad})
            by_header = await client.get(path, headers={POSITION: bad})

            assert (by_parameter.status, by_header.status) == (400, 400)
            assert "min_position" in (await by_parameter.json())["error"]["message"]
            assert POSITION in (await by_header.json())["error"]["message"]


async def test_every_query_may_name_a_position(tmp_path: Path) -> None:
    app = build_app(quick_settings(database_in(tmp_path, "a.db")), worker=False)
    async with TestClient(TestServer(app)) as client:
        for path in ("executions", "agents", "costs", "costs/summary", "sessions", "events"):
            answer = await client.get(f"/api/v1/{path}", params={"min_position": 0})

            assert answer.status == 200


async def test_a_server_says_which_views_it_folds(tmp_path: Path) -> None:
    app = build_app(quick_settings(database_in(tmp_path, "a.db")), worker=False)
    async with TestClient(TestServer(app)) as client:
        await client.post("/api/v1/agents", json={"name": "a"})
        await client.get("/api/v1/agents")

        ready = await (await client.get("/readyz")).json()
        metrics = await (await client.get("/metrics")).text()

        assert {view["leads"] for view in ready["projections"]} == {True}
        assert f"projection_leads {float(len(ALL))}" in metrics
