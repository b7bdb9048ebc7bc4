"""Approvals past their expiry are rejected by the server itself; and what it counts of all this."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.app import build_app
from tests.integration.api import Api, Json, assert_problem
from tests.integration.conftest import serving, settings_in, started

pytestmark = [pytest.mark.both_stores, pytest.mark.asyncio(loop_scope="module")]

SECONDS = 20


async def parked_until(api: Api, execution_id: str, seconds: float) -> str:
    """Park an execution until so many seconds from now; the approval's id."""
    expires_at = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    asked = {"checkpoint_name": "send", "expires_at": expires_at}
    reply = await api.post(f"/executions/{execution_id}/approvals", asked)
    id_: str = reply.data["approval_id"]
    return id_


async def ended(api: Api, execution_id: str) -> Json:
    """The execution once its stream has ended."""
    async with asyncio.timeout(SECONDS):
        await api.get(f"/executions/{execution_id}/stream")
    execution: Json = (await api.get(f"/executions/{execution_id}")).data
    return execution


async def test_an_approval_past_its_expiry_is_rejected_by_the_server(
    api: Api, agent: Json, running: str
) -> None:
    patient = await started(api, agent["id"])
    approval = await parked_until(api, running, 0.2)
    await parked_until(api, patient, 3600)

    execution = await ended(api, running)

    events = (await api.get(f"/executions/{running}/events")).data
    assert (execution["status"], execution["is_terminal"]) == ("rejected", True)
    assert events[-1]["type"] == "approval_expired"
    assert events[-1]["actor"]["type"] == "system"
    assert (await api.get(f"/approvals/{approval}")).data["status"] == "expired"
    assert_problem(await api.post(f"/executions/{running}/approve"), 400, "already_decided")
    assert (await api.get(f"/executions/{patient}")).data["status"] == "awaiting_approval"


async def test_an_approval_that_expired_while_the_server_was_down_is_rejected(
    tmp_path: Path,
) -> None:
    settings = settings_in(tmp_path)
    async with serving(build_app(settings, worker=False)) as api:
        agent = (await api.post("/agents", {"name": "Scribe"})).data
        id_ = await started(api, agent["id"])
        await parked_until(api, id_, 0.3)

    await asyncio.sleep(0.3)  # real time has to pass; no request can arrive meanwhile
    async with serving(build_app(settings, worker=False)) as api:
        assert (await ended(api, id_))["status"] == "rejected"


METERS = [
    "ledger_events_appended_total",
    "ledger_batch_commands_bucket",
    "ledger_commit_seconds_bucket",
    "ledger_position",
    "ledger_queue_depth",
    "ledger_stream_readers",
    "projection_lag_events",
    "projection_lag_seconds",
    "projection_parked_events",
    "http_request_seconds_bucket",
]


@pytest.mark.parametrize("meter", METERS)
async def test_the_server_shows_its_meters(api: Api, running: str, meter: str) -> None:
    reply = await api.get("//metrics")

    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert f"\n{meter}" in reply.text.decode()


async def metered(api: Api, name: str) -> float:
    lines = (await api.get("//metrics")).text.decode().splitlines()
    return float(next(line for line in lines if line.startswith(name)).rpartition(" ")[2])


async def test_what_is_recorded_is_counted(api: Api, running: str) -> None:
    names = ("ledger_events_appended_total", "ledger_position", "ledger_batch_commands_sum")
    before = [await metered(api, name) for name in names]

    await api.post(f"/executions/{running}/frames", [{"type": "content", "content": "x"}] * 7)

    after = [await metered(api, name) for name in names]
    assert [b - a for a, b in zip(before, after, strict=True)] == [7, 7, 1]


async def test_requests_are_counted_under_their_route_and_never_their_id(
    api: Api, running: str
) -> None:
    name = (
        'http_request_seconds_count{method="GET",'
        'route="/api/v1/executions/{execution_id}",status="200"}'
    )
    await api.get(f"/executions/{running}")
    before = await metered(api, name)
    await api.get(f"/executions/{running}")
    await api.get("//nowhere/at/all")

    text = (await api.get("//metrics")).text.decode()
    assert await metered(api, name) == before + 1
    assert running not in text
    assert "/nowhere" not in text


@pytest.mark.parametrize("given", ["abc-1.2_3", "x" * 128])
async def test_the_id_of_a_request_is_given_back(api: Api, given: str) -> None:
    reply = await api.call("GET", "/agents", headers={"X-Request-Id": given})

    assert reply.headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "ä"])
async def test_a_strange_id_of_a_request_is_replaced(api: Api, given: str) -> None:
    reply = await api.call("GET", "/executions/x", headers={"X-Request-Id": given})

    assert reply.status == 404
    assert reply.headers["X-Request-Id"] not in ("", given)
