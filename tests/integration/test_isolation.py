"""What belongs to one workspace does not exist in another: for every route there is."""

import pytest
import pytest_asyncio

from server.api.catalog import ROUTES
from server.route import Route
from tests.integration.api import Api, assert_problem
from tests.integration.conftest import key_of, registered, spent
from tests.integration.examples import example_of, path_of

pytestmark = [pytest.mark.both_stores, pytest.mark.asyncio(loop_scope="module")]

PRIVATE = [route for route in ROUTES if not route.public]
OF_ONE = [route for route in PRIVATE if "{" in route.path]
OF_MANY = [route for route in PRIVATE if "{" not in route.path and route.method == "GET"]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def theirs(steward: Api) -> dict[str, str]:
    """The ids of one of everything in workspace A."""
    a = await key_of(steward, "admin", "a", "admin of a")
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
    price = {"model": "model-of-a", "input": "1", "output": "1"}
    return {
        "budget_id": (await a.post("/budgets", {"scope": "agent", "max_cost": 9})).data["id"],
        "price_id": (await a.post("/prices", price)).data["id"],
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stranger(steward: Api, theirs: dict[str, str]) -> Api:
    """An admin of workspace B, after everything happened in A."""
    return await key_of(steward, "admin", "b", "admin of b")


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


async def test_a_command_on_another_workspace_records_nothing(
    stranger: Api, theirs: dict[str, str], steward: Api
) -> None:
    before = (
        await steward.call("GET", f"/executions/{theirs['execution_id']}", headers=_IN_A)
    ).data

    for route in OF_ONE:
        if route.method != "GET":
            await stranger.call(route.method, path_of(route, theirs), example_of(route))

    after = (await steward.call("GET", f"/executions/{theirs['execution_id']}", headers=_IN_A)).data
    assert after == before


_IN_A = {"X-Workspace-ID": "a"}
