import pytest

from tests.integration.api import Api, Json, assert_problem
from tests.integration.conftest import registered

pytestmark = pytest.mark.both_stores

SCHEMA = {
    "type": "object",
    "required": ["q"],
    "properties": {"q": {"type": "string"}, "n": {"type": "integer", "minimum": 1}},
}


async def version_of(api: Api, agent_id: str, version: str = "1.0", **facts: object) -> Json:
    reply = await api.post(f"/agents/{agent_id}/versions", {"version": version, **facts})
    added: Json = reply.data
    return added


async def test_a_registered_agent_is_shown_as_it_was_described(api: Api) -> None:
    described = {"name": "Scribe", "type": "workflow", "description": "d", "labels": ["x", "y"]}

    created = await api.post("/agents", described)

    shown = (await api.get(f"/agents/{created.data['id']}")).data
    assert created.status == 201
    assert created.data == shown
    assert {name: shown[name] for name in described} == described
    assert shown["workspace_id"] == "default"
    assert shown["status"] == "active"
    assert shown["current_version"] is None


async def test_an_object_comes_without_meta(api: Api, agent: Json) -> None:
    assert set((await api.get(f"/agents/{agent['id']}")).body) == {"data"}


async def test_what_a_newer_client_says_more_is_ignored(api: Api) -> None:
    created = await api.post("/agents", {"name": "Scribe", "type": "agent", "template_id": "t"})

    assert created.status == 201


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"name": "Poet"}, {"name": "Poet", "description": "", "type": "agent", "labels": []}),
        ({"description": "d"}, {"name": "Scribe", "description": "d"}),
        ({"type": "chain", "labels": ["x"]}, {"type": "chain", "labels": ["x"]}),
        ({}, {"name": "Scribe"}),
    ],
)
async def test_a_change_changes_what_it_names(
    api: Api, agent: Json, change: Json, shown: Json
) -> None:
    changed = (await api.patch(f"/agents/{agent['id']}", change)).data

    assert {name: changed[name] for name in shown} == shown
    assert (await api.get(f"/agents/{agent['id']}")).data == changed


async def test_a_name_that_was_given_up_is_free_again(api: Api, agent: Json) -> None:
    await api.patch(f"/agents/{agent['id']}", {"name": "Poet"})

    assert (await api.post("/agents", {"name": "Scribe"})).status == 201


async def test_an_archived_agent_is_kept_and_takes_no_more(api: Api, agent: Json) -> None:
    archived = await api.delete(f"/agents/{agent['id']}")

    assert (archived.status, archived.text) == (204, b"")
    assert (await api.delete(f"/agents/{agent['id']}")).status == 204
    assert (await api.get(f"/agents/{agent['id']}")).data["status"] == "archived"
    for path, body in [
        (f"/agents/{agent['id']}/execute", {"input": {}}),
        (f"/agents/{agent['id']}/preview", {"input": {}}),
        (f"/agents/{agent['id']}/versions", {"version": "2"}),
    ]:
        assert_problem(await api.post(path, body), 400, "agent_archived")


async def test_agents_are_listed_newest_first_by_page_and_by_cursor(api: Api) -> None:
    ids = [(await registered(api, f"Agent {n}"))["id"] for n in range(5)]

    first = await api.get("/agents", limit=2)
    second = await api.get("/agents", limit=2, page=2)
    by_cursor = await api.get("/agents", limit=2, cursor=first.meta["next_cursor"])
    beyond = await api.get("/agents", limit=2, page=9)

    assert first.ids + second.ids == ids[:0:-1]
    assert by_cursor.ids == second.ids
    assert first.meta["total"] == 5
    assert (first.meta["pages"], first.meta["total_pages"]) == (3, 3)
    assert first.meta["has_more"] is True
    assert (beyond.data, beyond.meta["total"]) == ([], 5)


@pytest.mark.parametrize(
    ("asked", "page", "limit"),
    [
        ({"page": 0}, 1, 20),
        ({"page": -3}, 1, 20),
        ({"limit": 0}, 1, 20),
        ({"limit": 101}, 1, 20),
        ({"limit": 100}, 1, 100),
    ],
)
async def test_a_page_out_of_bounds_becomes_the_default(
    api: Api, asked: Json, page: int, limit: int
) -> None:
    meta = (await api.get("/agents", **asked)).meta

    assert (meta["page"], meta["limit"]) == (page, limit)


async def test_agents_are_found_by_what_they_are(api: Api) -> None:
    scribe = await registered(api, "Scribe", description="writes letters")
    flow = (await api.post("/agents", {"name": "Flow", "type": "workflow"})).data
    gone = await registered(api, "Gone")
    await api.delete(f"/agents/{gone['id']}")

    assert (await api.get("/agents", type="workflow")).ids == [flow["id"]]
    assert (await api.get("/agents", name="Scribe")).ids == [scribe["id"]]
    assert (await api.get("/agents", search="letter")).ids == [scribe["id"]]
    assert gone["id"] not in (await api.get("/agents")).ids
    assert (await api.get("/agents", status="archived")).ids == [gone["id"]]
    assert set((await api.get("/agents", status="active")).ids) == {scribe["id"], flow["id"]}


async def test_a_version_is_shown_with_everything_that_was_given(api: Api, agent: Json) -> None:
    given = {
        "config": {"type": "agent", "prompt_id": "p"},
        "input_schema": SCHEMA,
        "output_schema": {"type": "object"},
        "message": "first",
        "model_config": {"model_id": "m", "temperature": 0.25},
        "run_budget": {"max_cost": 0.5},
        "approval_policy": {"mode": "any_member"},
        "tools": [{"mcp_tool_id": "t", "requires_approval": True}],
        "sub_agents": [{"agent_id": "a", "alias": "b"}],
        "guardrails": [{"type": "input"}],
        "cache_timeout": 60,
        "vfs_enabled": True,
        "masking_enabled": False,
    }

    added = await version_of(api, agent["id"], "1.0", **given)

    assert {name: added[name] for name in given} == given
    assert (added["version"], added["agent_id"]) == ("1.0", agent["id"])
    assert added["is_current"] is added["is_active"] is True
    assert (await api.get(f"/agents/{agent['id']}")).data["current_version"] == added


async def test_exactly_one_version_is_current(api: Api, agent: Json) -> None:
    first = await version_of(api, agent["id"], "1")
    second = await version_of(api, agent["id"], "2")
    third = await version_of(api, agent["id"], "3", set_current=True)

    versions = await api.get(f"/agents/{agent['id']}/versions")

    assert (first["is_current"], second["is_current"], third["is_current"]) == (True, False, True)
    assert versions.ids == [third["id"], second["id"], first["id"]]
    assert [version["is_current"] for version in versions.data] == [True, False, False]
    assert versions.meta["total"] == 3


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_version_can_be_put_in_force(api: Api, agent: Json, method: str) -> None:
    first = await version_of(api, agent["id"], "1")
    second = await version_of(api, agent["id"], "2")

    promoted = await api.call(method, f"/agents/{agent['id']}/versions/{second['id']}/promote", {})

    assert promoted.data == {**second, "is_current": True, "is_active": True}
    current = (await api.get(f"/agents/{agent['id']}")).data["current_version"]
    assert current["id"] == second["id"] != first["id"]


async def test_a_version_of_another_agent_cannot_be_put_in_force(api: Api, agent: Json) -> None:
    other = await registered(api, "Poet")
    version = await version_of(api, other["id"])

    reply = await api.post(f"/agents/{agent['id']}/versions/{version['id']}/promote")

    assert_problem(reply, 404, "not_found")


async def test_a_schema_that_is_none_is_refused(api: Api, agent: Json) -> None:
    body = {"version": "1", "input_schema": {"type": "thing"}}

    reply = await api.post(f"/agents/{agent['id']}/versions", body)

    assert assert_problem(reply, 400, "invalid_schema")["field"] == "input_schema"
    assert (await api.get(f"/agents/{agent['id']}/versions")).data == []


async def test_an_input_that_breaks_the_schema_is_refused_and_nothing_recorded(
    api: Api, agent: Json
) -> None:
    await version_of(api, agent["id"], input_schema=SCHEMA)

    reply = await api.post(f"/agents/{agent['id']}/execute", {"input": {"q": 1, "n": 0}})

    violations = assert_problem(reply, 400, "invalid_input")["violations"]
    assert {violation["path"] for violation in violations} == {"input.n", "input.q"}
    assert (await api.get("/executions")).data == []


async def test_a_preview_says_what_an_execution_would_and_records_nothing(
    api: Api, agent: Json
) -> None:
    old = await version_of(api, agent["id"], "1")
    new = await version_of(api, agent["id"], "2", input_schema=SCHEMA, set_current=True)
    before = (await api.get("/events")).meta["total"]
    path = f"/agents/{agent['id']}/preview"

    good = await api.post(path, {"input": {"q": "hello"}})
    bad = await api.post(path, {"input": {}})
    by_old = await api.post(path, {"input": {}, "version_id": old["id"]})
    by_none = await api.post(path, {"input": {}, "version_id": "0" * 27})

    assert good.data == {
        "agent_id": agent["id"],
        "version_id": new["id"],
        "version": "2",
        "input": {"q": "hello"},
        "valid": True,
    }
    assert_problem(bad, 400, "invalid_input")
    assert by_old.data["version_id"] == old["id"]
    assert_problem(by_none, 404, "not_found")
    assert (await api.get("/events")).meta["total"] == before


async def test_an_agent_without_versions_takes_any_input(api: Api, agent: Json) -> None:
    shown = (await api.post(f"/agents/{agent['id']}/preview", {"input": {"any": 1}})).data

    assert (shown["version_id"], shown["version"], shown["valid"]) == ("", "", True)


async def test_the_playground_keeps_the_other_prompt_in_the_metadata(api: Api, agent: Json) -> None:
    override = {"system_prompt": "Be brief."}
    body = {"input": {"q": "x"}, "prompt_override": override, "metadata": {"by": "ada"}}

    run = await api.post(f"/agents/{agent['id']}/playground", body)

    assert run.status == 201
    assert run.data["metadata"] == {"by": "ada", "prompt_override": override}
    assert run.data["agent_id"] == agent["id"]


async def test_guardrails_are_kept_as_given_in_their_order(api: Api, agent: Json) -> None:
    path = f"/agents/{agent['id']}/guardrails"
    late = {"type": "output", "scanner_type": "pii", "sort_order": 5, "is_active": False}
    early = {"type": "input", "scanner_type": "toxicity", "config": {"threshold": 0.5}}
    second = await api.post(path, late)
    first = await api.post(path, early)

    listed = await api.get(path)

    assert (first.status, second.status) == (201, 201)
    assert listed.ids == [first.data["id"], second.data["id"]]
    assert set(listed.body) == {"data"}
    assert (first.data["action"], first.data["is_active"]) == ("block", True)
    assert {name: second.data[name] for name in late} == late
    assert first.data["config"] == {"threshold": 0.5}


async def test_a_repeated_registration_registers_once(api: Api) -> None:
    key = {"Idempotency-Key": "register"}

    first = await api.call("POST", "/agents", {"name": "Scribe"}, headers=key)
    again = await api.call("POST", "/agents", {"name": "Scribe"}, headers=key)

    assert again.data == first.data
    assert (await api.get("/agents")).meta["total"] == 1
