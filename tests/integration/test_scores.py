import pytest

from tests.integration.api import Api, Json, assert_problem
from tests.integration.conftest import started

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
async def score(api: Api, running: str) -> Json:
    said: Json = (
        await api.post("/scores", {"execution_id": running, "name": "tone", "value": 3})
    ).data
    return said


async def test_a_score_is_of_the_run_whose_trace_it_names(api: Api, running: str) -> None:
    trace = (await api.get(f"/executions/{running}")).data["trace_id"]
    said = {"trace_id": trace, "name": "tone", "value": 0.25, "comment": "dry", "span_id": "s"}

    reply = await api.post("/scores", said)

    assert reply.status == 201
    assert {name: reply.data[name] for name in said} == said
    assert reply.data["execution_id"] == running
    assert (reply.data["data_type"], reply.data["source"]) == ("numeric", "api")
    assert reply.data["created_by"] == "loopback"
    assert (await api.get(f"/scores/{reply.data['id']}")).data == reply.data


async def test_of_a_trace_with_several_runs_the_root_is_scored(
    api: Api, agent: Json, running: str
) -> None:
    child = await started(api, agent["id"], parent_execution_id=running)
    trace = (await api.get(f"/executions/{child}")).data["trace_id"]

    reply = await api.post("/scores", {"trace_id": trace, "name": "tone", "value": 1})

    assert reply.data["execution_id"] == running


async def test_a_score_is_an_event_of_its_run(api: Api, running: str, score: Json) -> None:
    await api.delete(f"/scores/{score['id']}")

    events = await api.get(f"/executions/{running}/events", type="scored,score_removed")

    assert [event["type"] for event in events.data] == ["scored", "score_removed"]


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ({"name": "tone", "value": 1}, 400, "validation_error"),
        ({"trace_id": "f" * 32, "name": "tone", "value": 1}, 404, "not_found"),
        ({"execution_id": "0" * 27, "name": "tone", "value": 1}, 404, "not_found"),
        ({"execution_id": "x", "name": "tone"}, 400, "validation_error"),
        (
            {"execution_id": "x", "name": "tone", "data_type": "categorical"},
            400,
            "validation_error",
        ),
        (
            {"execution_id": "x", "name": "tone", "data_type": "boolean", "value": 2},
            400,
            "validation_error",
        ),
        ({"execution_id": "x", "name": "tone", "value": "high"}, 400, "validation_error"),
    ],
)
async def test_a_score_that_says_nothing_is_refused(
    api: Api, said: Json, status: int, code: str
) -> None:
    assert_problem(await api.post("/scores", said), status, code)


async def test_a_changed_score_keeps_what_was_not_named(api: Api, score: Json) -> None:
    changed = (await api.patch(f"/scores/{score['id']}", {"comment": "warm"})).data

    kept = set(score) - {"comment", "updated_at"}
    assert {name: changed[name] for name in kept} == {name: score[name] for name in kept}
    assert changed["comment"] == "warm"
    assert changed["updated_at"] >= score["updated_at"]
    assert (await api.get(f"/scores/{score['id']}")).data == changed


async def test_a_change_that_contradicts_the_rest_is_refused(api: Api, score: Json) -> None:
    reply = await api.patch(f"/scores/{score['id']}", {"data_type": "boolean"})

    assert_problem(reply, 400, "validation_error", "0 or 1")
    assert (await api.get(f"/scores/{score['id']}")).data == score


async def test_a_withdrawn_score_is_gone(api: Api, score: Json) -> None:
    removed = await api.delete(f"/scores/{score['id']}")

    assert (removed.status, removed.text) == (204, b"")
    assert_problem(await api.get(f"/scores/{score['id']}"), 404, "not_found")
    assert (await api.get("/scores")).data == []


async def test_scores_are_listed_newest_first_by_what_they_are(api: Api, running: str) -> None:
    trace = (await api.get(f"/executions/{running}")).data["trace_id"]
    numeric = {"name": "tone", "value": 1, "source": "human"}
    word = {"name": "topic", "data_type": "categorical", "string_value": "law", "config_id": "c"}
    first, second = [
        (await api.post("/scores", {"execution_id": running, **said})).data["id"]
        for said in (numeric, word)
    ]

    assert (await api.get("/scores")).ids == [second, first]
    assert (await api.get("/scores", name="tone")).ids == [first]
    assert (await api.get("/scores", source="human")).ids == [first]
    assert (await api.get("/scores", data_type="categorical")).ids == [second]
    assert (await api.get("/scores", config_id="c")).ids == [second]
    assert (await api.get("/scores", trace_id=trace)).ids == [second, first]
    assert (await api.get("/scores", trace_id="f" * 32)).data == []
    assert (await api.get("/scores", limit=1)).meta["total"] == 2


async def test_scores_are_summed_up_by_name(api: Api, running: str) -> None:
    for name, value in [("tone", 1), ("tone", 4), ("length", 0.5)]:
        await api.post("/scores", {"execution_id": running, "name": name, "value": value})

    everything = await api.get("/scores/aggregates")
    one = await api.get("/scores/aggregates", name="length")

    assert set(everything.body) == {"data"}
    assert sorted(everything.data, key=lambda row: row["name"]) == [
        {"name": "length", "count": 1, "avg": 0.5, "min": 0.5, "max": 0.5},
        {"name": "tone", "count": 2, "avg": 2.5, "min": 1, "max": 4},
    ]
    assert [row["name"] for row in one.data] == ["length"]


async def test_a_score_config_lives_from_its_making_to_its_removal(api: Api) -> None:
    made = await api.post(
        "/score-configs", {"name": "tone", "min_value": 1, "max_value": 5, "is_active": True}
    )
    path = f"/score-configs/{made.data['id']}"

    changed = await api.patch(path, {"max_value": 10, "categories": [{"label": "good"}]})

    assert made.status == 201
    assert (made.data["min_value"], made.data["max_value"]) == (1, 5)
    assert (made.data["categories"], made.data["data_type"]) == ([], "numeric")
    assert (changed.data["min_value"], changed.data["max_value"]) == (1, 10)
    assert changed.data["categories"] == [{"label": "good"}]
    assert (await api.get(path)).data == changed.data
    assert (await api.get("/score-configs")).ids == [made.data["id"]]
    assert (await api.delete(path)).status == 204
    assert_problem(await api.get(path), 404, "not_found")
    assert_problem(await api.patch(path, {"name": "x"}), 404, "not_found")
    assert (await api.get("/score-configs")).data == []
