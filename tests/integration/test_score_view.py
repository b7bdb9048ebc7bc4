from collections.abc import Iterator
from typing import Any

import pytest

from ledger.clock import format_time
from ledger.errors import NotFound
from ledger.execution import Execution
from ledger.score_config import ScoreConfig
from projections import scores
from tests.strategies import BEGINNING
from tests.views import FIRST, Told, ids, telling

pytestmark = pytest.mark.both_stores

TONE = {"score_id": "s1", "name": "tone", "value": 3.0}


@pytest.fixture
def told() -> Iterator[Told]:
    with telling() as told:
        yield told


def judge(told: Told, execution: Execution, by: str = "key-1", **facts: Any) -> None:
    execution.score(told.by(by, execution.workspace), TONE | facts)
    told.save(execution)


def remove(told: Told, execution: Execution, score_id: str = "s1") -> None:
    told.do(execution, lambda stamp: execution.remove_score(stamp, score_id))


def test_a_score_says_what_was_said_of_which_run_and_by_whom(told: Told) -> None:
    execution = told.create()
    judge(told, execution, "ada", comment="dry", span_id="span", config_id="config")

    assert told.ask(scores.get_score, "acme", "s1") == {
        "id": "s1",
        "workspace_id": "acme",
        "trace_id": execution.trace_id,
        "span_id": "span",
        "execution_id": execution.id,
        "name": "tone",
        "value": 3,
        "string_value": "",
        "data_type": "numeric",
        "source": "api",
        "comment": "dry",
        "config_id": "config",
        "created_by": "ada",
        "created_at": format_time(BEGINNING),
        "updated_at": format_time(BEGINNING),
    }


@pytest.mark.parametrize("one_page", [True, False])
def test_a_score_that_is_said_again_keeps_who_said_it_first(told: Told, one_page: bool) -> None:
    execution = told.create()
    judge(told, execution, "ada", comment="dry")
    if not one_page:
        told.ask(scores.get_score, "acme", "s1")
    told.later(60)
    judge(told, execution, "bob", value=5.0)

    score = told.ask(scores.get_score, "acme", "s1")

    assert (score["value"], score["comment"], score["created_by"]) == (5, "", "ada")
    assert score["created_at"] == format_time(BEGINNING) < score["updated_at"]


@pytest.mark.parametrize("one_page", [True, False])
def test_a_withdrawn_score_is_gone_until_it_is_said_anew(told: Told, one_page: bool) -> None:
    execution = told.create()
    judge(told, execution, "ada")
    if not one_page:
        told.ask(scores.get_score, "acme", "s1")
    remove(told, execution)
    if not one_page:
        with pytest.raises(NotFound):
            told.ask(scores.get_score, "acme", "s1")
    judge(told, execution, "bob")

    assert told.ask(scores.get_score, "acme", "s1")["created_by"] == "bob"
    remove(told, execution)
    assert told.ask(scores.list_scores, "acme", FIRST) == []


def test_scores_are_listed_newest_first_by_what_they_are(told: Told) -> None:
    one, two = told.create(), told.create()
    judge(told, one, source="human")
    told.later(1)
    word: dict[str, Any] = {
        "data_type": "categorical",
        "value": None,
        "string_value": "law",
        "config_id": "c",
    }
    judge(told, two, score_id="s2", name="topic", **word)

    def found(**asked: str | None) -> list[str]:
        return ids(told.ask(scores.list_scores, "acme", FIRST, **asked))

    assert found() == found(name=None) == ["s2", "s1"]
    assert found(source="human") == found(execution_id=one.id) == found(name="tone") == ["s1"]
    assert found(trace_id=two.trace_id) == found(data_type="categorical") == ["s2"]
    assert found(config_id="c") == ["s2"]


def test_scores_are_summed_up_by_name(told: Told) -> None:
    execution = told.create()
    for score_id, value in (("s1", 1.0), ("s2", 4.0)):
        judge(told, execution, score_id=score_id, value=value)
    word: dict[str, Any] = {"data_type": "categorical", "value": None, "string_value": "law"}
    judge(told, execution, score_id="s3", name="topic", **word)

    assert told.ask(scores.aggregates, "acme") == [
        {"name": "tone", "count": 2, "avg": 2.5, "min": 1, "max": 4},
        {"name": "topic", "count": 1, "avg": None, "min": None, "max": None},
    ]
    assert told.ask(scores.aggregates, "acme", name="nobody") == []


def test_a_configuration_lives_from_its_making_to_its_removal(told: Told) -> None:
    facts = {"name": "tone", "data_type": "numeric", "description": "", "is_active": True}
    config = ScoreConfig.create("c1", told.by("ada"), {**facts, "min_value": 1, "categories": []})
    told.record(config)
    made = told.ask(scores.get_config, "acme", "c1")
    told.later(60)
    config.change(told.by("bob"), {"max_value": 5.5, "categories": [{"label": "good"}]})
    told.record(config)

    changed = told.ask(scores.get_config, "acme", "c1")
    listed = told.ask(scores.list_configs, "acme", FIRST)
    config.remove(told.by("bob"))
    told.record(config)

    assert (made["min_value"], made["max_value"], made["categories"]) == (1, None, [])
    assert (changed["min_value"], changed["max_value"]) == (1, 5.5)
    assert changed["categories"] == [{"label": "good"}]
    assert made["updated_at"] < changed["updated_at"]
    assert listed == [changed]
    assert told.ask(scores.list_configs, "acme", FIRST) == []
    with pytest.raises(NotFound):
        told.ask(scores.get_config, "acme", "c1")


def test_scores_of_another_workspace_do_not_exist(told: Told) -> None:
    judge(told, told.create())
    facts = {"name": "tone", "data_type": "numeric", "description": "", "is_active": True}
    told.record(ScoreConfig.create("c1", told.by("ada"), {**facts, "categories": []}))

    for query, id_ in ((scores.get_score, "s1"), (scores.get_config, "c1")):
        with pytest.raises(NotFound):
            told.ask(query, "umbrella", id_)
    assert told.ask(scores.list_scores, "umbrella", FIRST) == []
    assert told.ask(scores.list_configs, "umbrella", FIRST) == []
    assert told.ask(scores.aggregates, "umbrella") == []
