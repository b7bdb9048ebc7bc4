"""What belongs to one workspace does not exist in another: for every route there is."""

import pytest

from server.api.catalog import ROUTES
from server.route import Route
from tests.integration.api import Api, assert_problem
from tests.integration.conftest import key_of, registered, spent
from tests.integration.examples import example_of, path_of

PRIVATE = [route for route in ROUTES if not route.public]
OF_ONE = [route for route in PRIVATE if "{" in route.path]
OF_MANY = [route for route in PRIVATE if "{" not in route.path and route.method == "GET"]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.fixture
async def admin(api: Api) -> Api:
    return await key_of(api, "admin", "*", "steward")


@pytest.fixture
async def theirs(admin: Api) -> dict[str, str]:
    """The ids of one of everything in workspace A."""
    a = await key_of(admin, "admin", "a", "admin of a")
    agent = await registered(a, "Agent of A")
    version = (await a.post(f"/agents/{agent['id']}/versions", {"version": "1"})).data
    announced = {"agent_id": agent["id"], "session_id": "session-of-a", "user_id": "user-of-a"}
    traced = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    execution = (await a.call("POST", "/executions", announced, headers=traced)).data["id"]
    await a.post(f"/executions/{execution}/start")
    await spent(a, execution, model="model-of-a")
    asked = {"checkpoint_name": "send", "payload": {"of": "a"}}
    approval = (await a.post(f"/executions/{execution}/approvals", asked)).data["approval_id"]
    score = {"execution_id": execution, "name": "score-of-a", "value": 1}
    return {
        "agent_id": agent["id"],
        "version_id": version["id"],
        "execution_id": execution,
        "session_id": "session-of-a",
        "trace_id": TRACE,
        "approval_id": approval,
        "score_id": (await a.post("/scores", score)).data["id"],
        "config_id": (await a.post("/score-configs", {"name": "config-of-a"})).data["id"],
        "key_id": (await a.post("/keys", {"name": "key-of-a", "role": "reader"})).data["id"],
    }


@pytest.fixture
async def stranger(admin: Api, theirs: dict[str, str]) -> Api:
    """An admin of workspace B, after everything happened in A."""
    return await key_of(admin, "admin", "b", "admin of b")


@pytest.mark.parametrize("route", OF_ONE, ids=name_of)
async def test_something_of_another_workspace_is_not_found(
    route: Route, stranger: Api, theirs: dict[str, str]
) -> None:
    reply = await stranger.call(route.method, path_of(route, theirs), example_of(route))

    assert_problem(reply, 404, "not_found")


@pytest.mark.parametrize("route", OF_MANY, ids=name_of)
async def test_nothing_of_another_workspace_is_listed(
    route: Route, stranger: Api, theirs: dict[str, str]
) -> None:
    reply = await stranger.call("GET", path_of(route, theirs))

    shown = reply.text.decode()
    assert reply.status == 200
    assert [id_ for id_ in (*theirs.values(), "-of-a", "0.003") if id_ in shown] == []


async def test_a_key_of_one_workspace_cannot_choose_another(admin: Api) -> None:
    secret = (await admin.post("/keys", {"name": "b", "role": "admin", "workspace": "b"})).data

    reply = await admin.using(secret["secret"], "a").get("/agents")

    assert_problem(reply, 403, "forbidden", "'b', not 'a'")


async def test_a_key_of_every_workspace_works_in_the_one_that_it_names(api: Api) -> None:
    made = {"name": "steward", "role": "admin", "workspace": "*"}
    secret = (await api.post("/keys", made)).data["secret"]
    await registered(api.using(secret, "a"), "Agent of A")

    in_a = await api.using(secret, "a").get("/agents")
    in_b = await api.using(secret, "b").get("/agents")

    assert [agent["name"] for agent in in_a.data] == ["Agent of A"]
    assert in_b.data == []


async def test_a_command_on_another_workspace_records_nothing(
    stranger: Api, theirs: dict[str, str], admin: Api
) -> None:
    before = (await admin.call("GET", f"/executions/{theirs['execution_id']}", headers=_IN_A)).data

    for route in OF_ONE:
        if route.method != "GET":
            await stranger.call(route.method, path_of(route, theirs), example_of(route))

    after = (await admin.call("GET", f"/executions/{theirs['execution_id']}", headers=_IN_A)).data
    assert after == before


_IN_A = {"X-Workspace-ID": "a"}
