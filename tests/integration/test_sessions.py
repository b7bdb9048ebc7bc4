import pytest

from tests.integration.api import Api, Json, assert_problem
from tests.integration.conftest import spent, started


@pytest.fixture
async def monday(api: Api, agent: Json) -> str:
    """A session with two runs, one of which failed."""
    ids = [await started(api, agent["id"], session_id="monday") for _ in range(2)]
    for id_ in ids:
        await spent(api, id_)
    await api.post(f"/executions/{ids[0]}/fail", {"error": "no luck"})
    return "monday"


async def test_a_session_adds_up_its_runs(api: Api, monday: str) -> None:
    session = (await api.get(f"/sessions/{monday}")).data

    assert session["session_id"] == "monday"
    assert (session["trace_count"], session["error_count"]) == (2, 1)
    assert (session["total_tokens"], session["total_cost_usd"]) == (240, "0.006")
    assert session["total_cost"] == 0.006
    assert session["first_seen"] < session["last_seen"]


async def test_sessions_are_listed_with_the_last_active_first(
    api: Api, agent: Json, monday: str
) -> None:
    await started(api, agent["id"], session_id="tuesday")
    await started(api, agent["id"])

    listed = await api.get("/sessions")

    assert [session["session_id"] for session in listed.data] == ["tuesday", "monday"]
    assert listed.meta["total"] == 2


async def test_an_unknown_session_is_not_found(api: Api) -> None:
    assert_problem(await api.get("/sessions/wednesday"), 404, "not_found")
