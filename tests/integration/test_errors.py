"""One shape for every error, wherever it comes from; one test for each source."""

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from server.app import build_app
from server.services import SERVICES
from server.settings import Settings
from tests.integration.api import Api, Json, assert_problem
from tests.integration.conftest import serving
from tests.stores import execute_in


async def test_an_unknown_path(api: Api) -> None:
    assert_problem(await api.get("/nowhere"), 404, "not_found", "GET /api/v1/nowhere")


async def test_a_method_that_a_path_does_not_have(api: Api) -> None:
    reply = await api.call("PUT", "/agents")

    assert_problem(reply, 405, "method_not_allowed")
    assert set(reply.headers["Allow"].split(",")) == {"GET", "POST"}


async def test_a_body_over_the_limit(settings: Settings) -> None:
    small = settings.model_copy(update={"max_body_bytes": 1024})
    async with serving(build_app(small, worker=False)) as api:
        reply = await api.post("/agents", {"name": "Scribe", "description": "x" * 2000})

    assert_problem(reply, 413, "payload_too_large", "at most 1,024 bytes")


async def test_something_that_is_not_there(api: Api) -> None:
    details = assert_problem(await api.get(f"/agents/{'0' * 27}"), 404, "not_found")

    assert details == {"kind": "agent", "id": "0" * 27}


async def test_an_id_that_is_none(api: Api) -> None:
    assert_problem(await api.get("/agents/%00'; DROP TABLE agents;--"), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "body: EOF"),
        (b'{"name": NaN}', "body: "),
        (b'{"name": "a", "name": "b"}', "body: "),
        (b'{"name": "\\ud800"}', "body: "),
        (b"\xff\xfe", "body: "),
        (b"[]", "body: Input should be an object"),
        (b"null", "body: "),
        (b'"name"', "body: Input should be an object"),
    ],
)
async def test_a_body_that_is_no_json_object(api: Api, body: bytes, says: str) -> None:
    reply = await api.call("POST", "/agents", body=body)

    assert_problem(reply, 400, "validation_error", says)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_body_that_is_not_coded_as_it_says(api: Api, coding: str) -> None:
    headers = {"Content-Encoding": coding}

    reply = await api.call("POST", "/agents", body=b'{"name": "Scribe"}', headers=headers)

    assert_problem(reply, 400, "validation_error", coding)


async def test_every_field_that_is_wrong_is_named_by_its_path(api: Api) -> None:
    reply = await api.post("/agents", {"type": "robot", "labels": ["fine", 7]})

    details = assert_problem(reply, 400, "validation_error", "(and 2 more)")
    assert [problem["path"] for problem in details["problems"]] == ["name", "type", "labels[1]"]


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"session_id": "a\tb"}, "session_id: Input should have no control characters"),
        ({"created_at": "1969-07-20T00:00:00Z"}, "created_at: a time is from 1970 to 9000"),
    ],
)
async def test_what_is_wrong_is_said_in_words_and_not_in_python(
    api: Api, facts: Json, says: str
) -> None:
    reply = await api.post("/executions", {"agent": "Scribe", **facts})

    assert_problem(reply, 400, "validation_error", says)


async def test_a_key_that_our_own_endpoints_do_not_know(api: Api) -> None:
    reply = await api.post("/executions", {"agent": "Scribe", "wibble": 1})

    details = assert_problem(reply, 400, "validation_error", "wibble")
    assert details["problems"][0]["path"] == "wibble"


async def test_a_parameter_that_is_unknown(api: Api) -> None:
    assert_problem(await api.get("/agents", colour="red"), 400, "invalid_query", "colour")


async def test_a_parameter_that_is_no_day(api: Api) -> None:
    reply = await api.get("/costs/summary", **{"from": "2026-1-1"})

    assert_problem(reply, 400, "invalid_query", "a day, as 2026-01-31")


async def test_a_parameter_that_is_no_number(api: Api) -> None:
    assert_problem(await api.get("/agents", page="two"), 400, "invalid_query", "page")


async def test_a_parameter_that_is_given_twice(api: Api) -> None:
    reply = await api.get("/agents?name=a&name=b")

    assert_problem(reply, 400, "invalid_query", "name: given twice")


async def test_a_cursor_that_is_none(api: Api) -> None:
    assert_problem(await api.get("/agents", cursor="x"), 400, "invalid_query", "cursor")


async def test_a_workspace_that_cannot_be_one(api: Api) -> None:
    reply = await api.call("GET", "/agents", headers={"X-Workspace-ID": "a/b"})

    assert_problem(reply, 400, "validation_error", "X-Workspace-ID")


async def test_a_refusal_of_the_ledger(api: Api, agent: Json) -> None:
    reply = await api.post("/agents", {"name": agent["name"]})

    details = assert_problem(reply, 400, "name_taken", agent["id"])
    assert details == {"name": agent["name"], "agent_id": agent["id"]}


async def test_a_version_that_is_not_the_one_named(api: Api, running: str) -> None:
    stale = {"If-Match": '"v1"'}

    reply = await api.call("POST", f"/executions/{running}/cancel", {}, headers=stale)

    assert assert_problem(reply, 412, "version_mismatch") == {"expected": 1, "actual": 2}


async def test_an_idempotency_key_that_stands_for_two_things(api: Api) -> None:
    key = {"Idempotency-Key": "one"}
    await api.call("POST", "/agents", {"name": "Scribe"}, headers=key)

    reply = await api.call("POST", "/agents", {"name": "Poet"}, headers=key)

    assert_problem(reply, 400, "idempotency_mismatch")


async def test_more_requests_than_a_key_may_make(settings: Settings) -> None:
    slow = settings.model_copy(update={"max_requests_per_second": 0.001})
    async with serving(build_app(slow, worker=False)) as api:
        first = await api.get("/agents")
        reply = await api.get("/agents")

    assert first.status == 200
    assert_problem(reply, 429, "rate_limited")
    assert int(reply.headers["Retry-After"]) >= 1


async def test_a_ledger_that_takes_no_more(api: Api, application: web.Application) -> None:
    application[SERVICES].ledger.close()

    reply = await api.post("/agents", {"name": "Scribe"})

    assert_problem(reply, 503, "closed")
    assert int(reply.headers["Retry-After"]) >= 1


async def test_a_fault_of_ours_is_logged_and_says_nothing_of_itself(
    api: Api, agent: Json, settings: Settings
) -> None:
    execute_in(settings.views, "DROP TABLE agents_v1")

    with capture_logs() as logged:
        reply = await api.get("/agents")

    assert_problem(reply, 500, "internal_error", "internal error")
    assert "agents_v1" not in reply.text.decode()
    assert [entry["exc_info"] for entry in logged if "exc_info" in entry] == [True]


async def test_a_refused_command_leaves_no_trace(api: Api, agent: Json) -> None:
    before = (await api.get("/events")).meta["total"]

    await api.post("/agents", {"name": agent["name"]})
    await api.patch(f"/agents/{agent['id']}", {"type": "robot"})

    assert (await api.get("/events")).meta["total"] == before


async def test_what_the_database_says_of_itself_stays_in_the_log(settings: Settings) -> None:
    async with serving(build_app(settings, worker=False)) as api:
        begun = await api.post("/executions", {"agent": "a", "input": {}})
        execute_in(settings.database, "ALTER TABLE stored_events RENAME TO elsewhere")
        with capture_logs() as logs:
            reply = await api.get(f"/executions/{begun.data['id']}/events")

    assert_problem(reply, 503, "store_failed", "nothing was recorded")
    assert "stored_events" not in reply.text.decode()
    [said] = [line["error"] for line in logs if line["event"] == "the store failed"]
    assert "no such table: stored_events" in said


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"])
async def test_a_probe_may_ask_for_the_head_alone(api: Api, path: str) -> None:
    head, whole = await api.call("HEAD", f"/{path}"), await api.get(f"/{path}")

    assert (head.status, head.text) == (200, b"")
    assert head.headers["Content-Type"] == whole.headers["Content-Type"]
