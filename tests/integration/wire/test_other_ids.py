"""Ids of other things than executions, where an execution is asked for."""

import pytest

from tests.integration.api import Api, Json, assert_problem

pytestmark = [pytest.mark.both_stores, pytest.mark.asyncio(loop_scope="module")]


async def test_what_is_no_execution_has_no_history_tree_or_past(api: Api, agent: Json) -> None:
    for id_ in (agent["id"], "0" * 27):
        for path in (f"/{id_}?at=1", f"/{id_}", f"/{id_}/tree", f"/{id_}/events"):
            assert_problem(await api.get(f"/executions{path}"), 404, "not_found")
        for step in ("cancel", "approve", "deny"):
            assert_problem(await api.post(f"/executions/{id_}/{step}"), 404, "not_found")
