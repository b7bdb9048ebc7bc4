"""No single event is larger than the limit, whichever request would record it."""

import pytest

from tests.integration.api import Api, Json, assert_problem

SETTINGS = {"max_payload_bytes": 2_000}
pytestmark = [pytest.mark.both_stores, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.parametrize(
    ("step", "body"),
    [
        ("complete", {"output": {"text": "x" * 2_000}}),
        ("approvals", {"checkpoint_name": "c", "payload": {"text": "x" * 2_000}}),
        ("annotate", {"metadata": {"text": "x" * 2_000}}),
        ("frames", {"type": "content", "content": "x" * 2_000}),
        ("complete", {"frames": [{"type": "content", "content": "x" * 2_000}]}),
        ("fail", {"error": "", "frames": [{"type": "content", "content": "x" * 2_000}]}),
        ("usage", {"model": "m", "raw": {"text": "x" * 2_000}}),
    ],
)
async def test_an_event_beyond_the_limit_is_refused(
    api: Api, running: str, step: str, body: Json
) -> None:
    reply = await api.post(f"/executions/{running}/{step}", body)

    assert_problem(reply, 413, "payload_too_large")
    assert (await api.get(f"/executions/{running}")).data["version"] == 2


async def test_an_input_beyond_the_limit_is_refused(api: Api, agent: Json) -> None:
    body = {"input": {"text": "x" * 2_000}}

    announced = await api.post("/executions", {"agent_id": agent["id"], **body})
    asked = await api.post(f"/agents/{agent['id']}/execute", body)

    assert_problem(announced, 413, "payload_too_large")
    assert_problem(asked, 413, "payload_too_large")
    assert (await api.get("/executions")).data == []


@pytest.mark.parametrize("part", ["input", "metadata", "output"])
async def test_a_whole_run_with_an_event_beyond_the_limit_is_refused(api: Api, part: str) -> None:
    run = {"agent": "Scribe", part: {"text": "x" * 2_000}}

    reply = await api.post("/executions/record", run)

    assert_problem(reply, 413, "payload_too_large")
    assert (await api.get("/executions")).data == []
