"""Who may do what, for every route there is: a new one is covered by being one."""

from collections import defaultdict

import pytest
import pytest_asyncio

from ledger.role import Role
from server.api.catalog import ROUTES
from server.auth import PERMITTED
from server.route import Route
from tests.integration.api import Api, assert_problem
from tests.integration.conftest import key_of
from tests.integration.examples import example_of, path_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRIVATE = [route for route in ROUTES if not route.public]
NOBODYS: defaultdict[str, str] = defaultdict(lambda: "0" * 27)


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keys(steward: Api) -> dict[Role, Api]:
    """A caller of each role."""
    return {role: await key_of(steward, role, "default") for role in Role}


@pytest.mark.parametrize("route", PRIVATE, ids=name_of)
async def test_a_route_is_closed_to_those_without_a_key(route: Route, steward: Api) -> None:
    reply = await steward.using("").call(route.method, path_of(route, NOBODYS), example_of(route))

    assert_problem(reply, 401, "unauthorized")
    assert reply.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("route", PRIVATE, ids=name_of)
async def test_a_route_is_open_to_roles_that_go_so_far_and_to_no_other(
    route: Route, keys: dict[Role, Api]
) -> None:
    path, body = path_of(route, NOBODYS), example_of(route)

    refused = {
        role
        for role, caller in keys.items()
        if (await caller.call(route.method, path, body)).status == 403
    }

    assert refused == {role for role in Role if PERMITTED[role] < route.needs}


async def test_a_refusal_names_the_permission_that_is_missing(keys: dict[Role, Api]) -> None:
    reply = await keys[Role.READER].post("/agents", {"name": "Scribe"})

    assert assert_problem(reply, 403, "forbidden") == {"permission": "administer"}


async def test_a_refusal_names_the_roles_that_would_do(keys: dict[Role, Api]) -> None:
    reply = await keys[Role.WORKER].post(f"/executions/{'0' * 27}/approve", {"reason": "fine"})

    assert_problem(
        reply,
        403,
        "forbidden",
        "keys of the role operator or admin have; this one's role is worker",
    )


@pytest.mark.parametrize("route", [route for route in ROUTES if route.public], ids=name_of)
async def test_a_public_route_is_open_to_everybody(route: Route, steward: Api) -> None:
    reply = await steward.using("").call(route.method, f"/{route.path}")

    assert reply.status == 200
