"""Several servers on one database: what was written at one is in the next answer of another."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

from tests.integration.api import Api, Json
from tests.integration.several import Node, node, several
from tests.postgres import fresh_schema
from tests.quick_settings import quick_settings

POSITION = "X-Ledger-Position"


async def create(api: Api) -> tuple[str, int]:
    """The id of a new execution, and how far the log was."""
    made = await api.post("/executions", {"agent": "a", "input": {}})
    return made.data["id"], int(made.headers[POSITION])


async def shown(api: Api, position: int) -> list[str]:
    """The ids of the latest executions, by a server that knows at least so much."""
    found = await api.get("/executions", min_position=position)
    assert "X-Ledger-Behind" not in found.headers
    return found.ids


def led_by(nodes: Sequence[Node]) -> list[bool]:
    return [node.services.catch_up.leads for node in nodes]


async def views_of(api: Api) -> list[Json]:
    ready = await api.get("//readyz")
    assert ready.status == 200
    views: list[Json] = ready.body["projections"]
    return views


async def test_a_query_at_another_server_shows_what_its_caller_wrote() -> None:
    async with several(3) as nodes:
        for number in range(30):
            writer, reader = nodes[number % 3].api, nodes[(number + 1) % 3].api

            id_, position = await create(writer)

            assert id_ in await shown(reader, position)


async def test_one_of_several_servers_leads_and_all_are_ready() -> None:
    async with several(3) as nodes:
        for each in nodes:
            await shown(each.api, (await create(nodes[0].api))[1])

        assert sorted(led_by(nodes)) == [False, False, True]
        leads = [{view["leads"] for view in await views_of(each.api)} for each in nodes]
        assert leads == [{is_leader} for is_leader in led_by(nodes)]


async def test_another_server_folds_when_the_one_that_did_ends() -> None:
    with fresh_schema() as url:
        settings = quick_settings(url)
        async with AsyncExitStack() as stays, AsyncExitStack() as ends:
            first = await ends.enter_async_context(node(settings))
            await shown(first.api, (await create(first.api))[1])
            second = await stays.enter_async_context(node(settings))
            assert led_by([first, second]) == [True, False]

            await ends.aclose()
            id_, position = await create(second.api)

            assert id_ in await shown(second.api, position)
            assert led_by([second]) == [True]
