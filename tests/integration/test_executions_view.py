"""Asking for executions: lists, single ones, trees."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from ledger.errors import LimitExceeded, NotFound
from ledger.execution import Execution
from ledger.strict_json import encode
from projections import executions
from projections.errors import InvalidQuery
from projections.executions import Executions
from projections.filters import parse_filters
from projections.store import ViewStore
from tests.read_side import catch_up
from tests.stores import database_in
from tests.strategies import History, MemoryLog, started, usage_facts

pytestmark = pytest.mark.both_stores


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ViewStore]:
    store = ViewStore.open(database_in(tmp_path, "views.db"))
    yield store
    store.close()


@pytest.fixture
def history() -> History:
    return History()


def listed(store: ViewStore, history: History, *parameters: tuple[str, str]) -> executions.Page:
    catch_up(store, [Executions()], MemoryLog(history.log))
    with store.reading() as connection:
        return executions.list_executions(connection, "acme", parse_filters(parameters))


def ids(page: executions.Page) -> list[str]:
    return [item["id"] for item in page.items]


def plain(shown: Any) -> Any:
    """As a client reads it."""
    return orjson.loads(encode(shown))


def spend(history: History, execution: Execution, cost: str | None, model: str = "gpt-x") -> None:
    facts = usage_facts(model, cost, prompt_tokens=10)
    history.do(execution, lambda stamp: execution.record_usage(stamp, facts))


HOSTILE = {
    "nul": "a\0b",
    "a\0b": "key",
    "long": "x" * 100_000,
    "k" * 5_000: "long key",
    "number": 7,
    "fraction": 0.5,
    "yes": True,
    "nothing": None,
    "list": [1, "a"],
    "object": {"a": {"b": "c"}},
    "quote": "'; DROP TABLE executions_v1; --",
    "percent": "%",
    "": "",
}


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("nul", "a\0b"),
        ("a\0b", "key"),
        ("long", "x" * 100_000),
        ("k" * 5_000, "long key"),
        ("number", "7"),
        ("fraction", "0.5"),
        ("yes", "true"),
        ("nothing", "null"),
        ("list", '[1,"a"]'),
        ("object", '{"a":{"b":"c"}}'),
        ("quote", "'; DROP TABLE executions_v1; --"),
        ("percent", "%"),
        ("", ""),
    ],
)
def test_any_metadata_can_be_recorded_and_found(
    store: ViewStore, history: History, key: str, text: str
) -> None:
    odd = history.create(metadata=HOSTILE)
    history.create(metadata={"number": 8, "percent": "anything"})

    assert ids(listed(store, history, (f"metadata.{key}", text))) == [odd.id]
    assert ids(listed(store, history, (f"metadata.{key}", f"{text}x"))) == []
    with store.reading() as connection:
        shown = executions.get_execution(connection, "acme", odd.id)
    assert plain(shown)["metadata"] == HOSTILE


def test_metadata_is_found_by_what_it_was_changed_to(store: ViewStore, history: History) -> None:
    execution = history.create(metadata={"stage": "draft", "tenant": "t"})
    assert ids(listed(store, history, ("metadata.stage", "draft"))) == [execution.id]

    history.do(execution, lambda stamp: execution.annotate(stamp, {"stage": "final"}))

    assert ids(listed(store, history, ("metadata.stage", "draft"))) == []
    both = (("metadata.stage", "final"), ("metadata.tenant", "t"))
    assert ids(listed(store, history, *both)) == [execution.id]


def test_an_execution_is_found_by_every_model_it_used(store: ViewStore, history: History) -> None:
    execution = started(history, history.create())
    history.create()
    spend(history, execution, "1", "m1")
    assert ids(listed(store, history, ("model", "m1"))) == [execution.id]

    spend(history, execution, "1", "m2")

    for model in ("m1", "m2"):
        page = listed(store, history, ("model", model))
        assert ids(page) == [execution.id]
        assert page.meta["total"] == 1


def test_nothing_of_another_workspace_is_shown(store: ViewStore, history: History) -> None:
    theirs = history.create("umbrella", metadata={"tenant": "t"})

    for parameters in ([], [("metadata.tenant", "t")], [("user_id", "a")]):
        page = listed(store, history, *parameters)
        assert (page.items, page.meta["total"]) == ([], 0)
    with store.reading() as connection:
        with pytest.raises(NotFound):
            executions.get_execution(connection, "acme", theirs.id)
        with pytest.raises(NotFound):
            executions.tree(connection, "acme", theirs.id, 10)
        assert executions.find_by_trace(connection, "acme", theirs.trace_id, 10) == []


def test_payloads_are_shown_only_where_they_are_asked_for(
    store: ViewStore, history: History
) -> None:
    history.create(input={"q": 1}, metadata={"k": "v"})

    (everything,) = listed(store, history).items
    (little,) = listed(store, history, ("fields", "status,id,output,inclusive_cost_usd")).items

    assert plain(everything)["input"] == {"q": 1}
    assert plain(everything)["output"] is None
    assert list(little) == ["id", "status", "output", "inclusive_cost_usd"]


def test_asking_for_no_field_shows_how_many_there_are(store: ViewStore, history: History) -> None:
    history.create()
    history.create()

    page = listed(store, history, ("fields", ","))

    assert page.items == [{}, {}]
    assert page.meta["total"] == 2


def test_lists_of_one_shape_are_asked_with_their_own_values(
    store: ViewStore, history: History
) -> None:
    made = {user: history.create(user_id=user, metadata={"of": user}).id for user in ("a", "b")}

    for user, id_ in made.items():
        wanted = [("metadata.of", user), ("user_id", user), ("status", "pending,running")]
        assert ids(listed(store, history, *wanted)) == [id_]
        assert ids(listed(store, history, *reversed(wanted))) == [id_]
        with store.reading() as connection:
            assert executions.get_execution(connection, "acme", id_)["user_id"] == user


def test_an_execution_is_shown_as_the_contract_says(store: ViewStore, history: History) -> None:
    execution = started(history, history.create(input={"q": 1}))
    spend(history, execution, "0.30")
    history.now += timedelta(seconds=1.5)
    history.do(execution, lambda stamp: execution.complete(stamp, {"a": 2}))
    catch_up(store, [Executions()], MemoryLog(history.log))

    with store.reading() as connection:
        shown = plain(executions.get_execution(connection, "acme", execution.id))

    assert shown["id"] == shown["execution_id"] == shown["root_execution_id"] == execution.id
    assert (shown["status"], shown["is_terminal"], shown["version"]) == ("completed", True, 4)
    assert (shown["input"], shown["output"], shown["metadata"]) == ({"q": 1}, {"a": 2}, {})
    assert (shown["user_id"], shown["session_id"], shown["error"]) == ("", "", "")
    assert (shown["error_code"], shown["parent_execution_id"]) == (None, None)
    assert (shown["cost"], shown["cost_usd"], shown["inclusive_cost_usd"]) == (0.3, "0.3", "0.3")
    assert (shown["duration_ms"], shown["total_tokens"], shown["models"]) == (1500, 10, ["gpt-x"])
    counts = {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10}
    assert shown["token_usage"] == counts
    assert shown["created_at"] == "2026-01-31T12:00:00.000000Z"
    assert shown["completed_at"] == "2026-01-31T12:00:01.500000Z"


def test_inclusive_cost_adds_what_was_run_below(store: ViewStore, history: History) -> None:
    top = started(history, history.create())
    child = started(history, history.create(parent=top))
    grandchild = started(history, history.create(parent=child))
    other = started(history, history.create(parent=top))
    silent = history.create()
    for execution, cost in ((top, "1"), (child, None), (grandchild, "0.2"), (other, "0.03")):
        spend(history, execution, cost)

    page = listed(store, history)

    inclusive = {item["id"]: item["inclusive_cost_usd"] for item in page.items}
    assert inclusive == {
        top.id: "1.23",
        child.id: "0.2",
        grandchild.id: "0.2",
        other.id: "0.03",
        silent.id: None,
    }


def test_a_tree_shows_the_children_of_every_execution(store: ViewStore, history: History) -> None:
    top = started(history, history.create())
    child = started(history, history.create(parent=top))
    history.now += timedelta(seconds=1)
    second = history.create(parent=top)
    grandchild = started(history, history.create(parent=child))
    spend(history, grandchild, "0.5")
    catch_up(store, [Executions()], MemoryLog(history.log))

    with store.reading() as connection:
        shown = executions.tree(connection, "acme", top.id, 10)
        below = executions.tree(connection, "acme", child.id, 10)
        with pytest.raises(LimitExceeded, match="more than 2 executions"):
            executions.tree(connection, "acme", top.id, 2)

    assert [each["id"] for each in shown["children"]] == [child.id, second.id]
    assert [each["id"] for each in shown["children"][0]["children"]] == [grandchild.id]
    assert (shown["cost_usd"], shown["inclusive_cost_usd"]) == (None, "0.5")
    assert plain(below) == plain(shown["children"][0])


def test_a_tree_too_deep_to_be_written_is_refused(store: ViewStore, history: History) -> None:
    top = parent = deep = history.create()
    for level in range(150):
        parent = history.create(parent=parent)
        deep = parent if level == 60 else deep
    catch_up(store, [Executions()], MemoryLog(history.log))

    with store.reading() as connection:
        with pytest.raises(LimitExceeded, match="100 levels"):
            executions.tree(connection, "acme", top.id, 1_000)
        below = executions.tree(connection, "acme", deep.id, 1_000)

    assert encode(below)


def test_a_trace_leads_to_its_executions(store: ViewStore, history: History) -> None:
    top = history.create()
    child = history.create(parent=top)
    history.create()
    catch_up(store, [Executions()], MemoryLog(history.log))

    with store.reading() as connection:
        found = executions.find_by_trace(connection, "acme", top.trace_id, 10)

    assert [each["id"] for each in found] == [top.id, child.id]


def test_an_execution_that_does_not_exist_is_not_found(store: ViewStore, history: History) -> None:
    history.create()
    catch_up(store, [Executions()], MemoryLog(history.log))

    with store.reading() as connection, pytest.raises(NotFound):
        executions.get_execution(connection, "acme", "nobody")


def test_totals_follow_executions_from_status_to_status(store: ViewStore, history: History) -> None:
    runs = [started(history, history.create()) for _ in range(3)]
    assert listed(store, history, ("status", "running")).meta["total"] == 3

    history.do(runs[0], lambda stamp: runs[0].complete(stamp, {}))

    assert listed(store, history, ("status", "running")).meta["total"] == 2
    assert listed(store, history, ("status", "completed,running")).meta["total"] == 3
    assert listed(store, history, ("agent_id", "agent-1")).meta["total"] == 3
    assert listed(store, history, ("agent_id", "nobody")).meta["total"] == 0


def test_a_cursor_of_another_order_is_refused(store: ViewStore, history: History) -> None:
    for _ in range(3):
        history.create()
    page = listed(store, history, ("limit", "1"))

    with pytest.raises(InvalidQuery, match="cursor"):
        listed(store, history, ("cursor", page.meta["next_cursor"]), ("sort", "cost"))
