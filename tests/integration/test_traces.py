import pytest

from tests.integration.api import Api, Json, assert_problem
from tests.integration.conftest import spent, started

pytestmark = pytest.mark.both_stores

FRAMES = [
    {"type": "thinking", "content": "hm"},
    {"type": "tool_start", "id": "t1", "name": "search", "input": {"for": "law"}},
    {"type": "tool_end", "id": "t1", "name": "search", "output": ["found"], "summary": "one"},
    {"type": "content", "content": "Dear Ada"},
]


@pytest.fixture
async def finished(api: Api, agent: Json) -> Json:
    """A run with a call of a tool and a call of a model."""
    id_ = await started(api, agent["id"], session_id="monday", user_id="ada")
    await api.post(f"/executions/{id_}/frames", FRAMES)
    await spent(api, id_)
    await api.post(f"/executions/{id_}/complete", {"output": {"text": "Dear Ada"}})
    execution: Json = (await api.get(f"/executions/{id_}")).data
    return execution


async def test_a_run_is_a_root_span_with_a_child_for_each_call(
    api: Api, agent: Json, finished: Json
) -> None:
    spans = (await api.get(f"/traces/{finished['trace_id']}")).data

    root = next(span for span in spans if span["kind"] == "agent")
    tool = next(span for span in spans if span["kind"] == "tool")
    llm = next(span for span in spans if span["kind"] == "llm")
    assert len(spans) == 3
    assert (root["parent_span_id"], root["parent_id"]) == ("", "")
    assert {tool["parent_span_id"], llm["parent_id"]} == {root["span_id"]}
    assert (root["name"], root["input"]) == (agent["name"], {"q": 1})
    assert (tool["name"], tool["status"]) == ("search", "ok")
    assert (llm["model_name"], llm["total_tokens"], llm["cost"]) == ("gpt-x", 120, 0.003)
    for span in spans:
        assert span["trace_id"] == finished["trace_id"]
        assert span["execution_id"] == finished["id"]
        assert (span["session_id"], span["user_id"]) == ("monday", "ada")
        assert span["agent_id"] == agent["id"]


async def test_a_failed_run_is_a_span_with_the_error(api: Api, running: str) -> None:
    await api.post(f"/executions/{running}/fail", {"error": "no luck"})

    span = (await api.get("/traces", execution_id=running)).data[0]

    assert (span["status"], span["error_message"]) == ("error", "no luck")


async def test_spans_are_listed_by_what_they_are(
    api: Api, agent: Json, finished: Json, running: str
) -> None:
    def names(kind: str) -> Json:
        return {"kind": kind, "trace_id": finished["trace_id"]}

    assert (await api.get("/traces")).meta["total"] == 4
    assert [span["kind"] for span in (await api.get("/traces", **names("tool"))).data] == ["tool"]
    assert (await api.get("/traces", execution_id=running)).meta["total"] == 1
    assert (await api.get("/traces", agent_id=agent["id"])).meta["total"] == 4
    assert (await api.get("/traces", model_name="gpt-x")).meta["total"] == 1
    assert (await api.get("/traces", session_id="monday")).meta["total"] == 3
    assert (await api.get("/traces", status="error")).data == []
    assert (await api.get("/traces", limit=2)).meta["pages"] == 2


async def test_the_summary_adds_up_the_spans(api: Api, finished: Json) -> None:
    summary = (await api.get("/traces/summary")).data

    assert summary["total_tokens"] == 120
    assert (summary["total_cost"], summary["total_cost_usd"]) == (0.003, "0.003")
    assert (summary["error_count"], summary["unique_models"]) == (0, 1)
    assert summary["unique_sessions"] == 1


@pytest.mark.parametrize("filters", [{"date_from": "2999-01-01"}, {"date_to": "2000-01-01"}])
async def test_the_summary_of_a_period_without_runs_is_empty(
    api: Api, finished: Json, filters: Json
) -> None:
    summary = (await api.get("/traces/summary", **filters)).data

    assert (summary["total_traces"], summary["total_tokens"]) == (0, 0)


async def test_an_unknown_trace_is_not_found(api: Api) -> None:
    assert_problem(await api.get(f"/traces/{'f' * 32}"), 404, "not_found")


async def test_an_unknown_kind_is_refused_by_name(api: Api) -> None:
    assert_problem(await api.get("/traces", kind="dream"), 400, "invalid_query", "kind")
