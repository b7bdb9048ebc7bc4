from collections.abc import Iterator
from typing import Any

import pytest

from ledger.agent import Agent
from ledger.errors import NotFound
from projections import agents
from tests.views import FIRST, Told, ids, telling

pytestmark = pytest.mark.both_stores


@pytest.fixture
def told() -> Iterator[Told]:
    with telling() as told:
        yield told


def registered(
    told: Told, id_: str = "a1", name: str = "Scribe", workspace: str = "acme", **facts: Any
) -> Agent:
    said = {"type_": "agent", "description": "", "labels": []} | facts
    agent = Agent.register(id_, told.by("ada", workspace), name=name, **said)
    told.record(agent)
    return agent


def add_version(told: Told, agent: Agent, version: str, **facts: Any) -> None:
    promote = facts.pop("promote", False)
    said = {"config": {}, "input_schema": {}, "given": {}} | facts
    told.later(1)
    agent.add_version(
        told.by("ada", agent.workspace),
        {"version_id": f"v{version}", "version": version, **said},
        promote=promote,
    )
    told.record(agent)


def test_an_agent_is_shown_with_its_current_version(told: Told) -> None:
    agent = registered(told, description="writes", labels=["x"])
    before = told.ask(agents.get_agent, "acme", "a1")
    given = {"tools": [{"id": "t"}], "model_config": {"temperature": 0.25}}
    add_version(told, agent, "1", config={"n": 1.50}, given=given, output_schema={"type": "object"})
    add_version(told, agent, "2")

    shown = told.ask(agents.get_agent, "acme", "a1")

    assert (before["current_version"], before["labels"]) == (None, ["x"])
    assert (shown["name"], shown["description"], shown["status"]) == ("Scribe", "writes", "active")
    assert shown["created_at"] == before["created_at"] < shown["updated_at"]
    current = shown["current_version"]
    assert (current["id"], current["is_current"], current["is_active"]) == ("v1", True, True)
    assert (current["config"], current["output_schema"]) == ({"n": 1.5}, {"type": "object"})
    assert {name: current[name] for name in given} == given
    assert (current["sub_agents"], current["guardrails"], current["run_budget"]) == ([], [], None)


def test_versions_are_listed_newest_first_and_one_is_current(told: Told) -> None:
    agent = registered(told)
    add_version(told, agent, "1")
    add_version(told, agent, "2", promote=True)
    add_version(told, agent, "3")
    told.ask(agents.list_versions, "acme", "a1", FIRST)
    agent.promote(told.by("ada"), "v3")
    told.record(agent)

    listed = told.ask(agents.list_versions, "acme", "a1", FIRST)

    assert [(each["version"], each["is_current"]) for each in listed] == [
        ("3", True),
        ("2", False),
        ("1", False),
    ]
    assert told.ask(agents.get_version, "acme", "a1", "v1") == listed[-1]


def test_a_change_changes_what_it_names(told: Told) -> None:
    agent = registered(told, description="writes")
    told.ask(agents.get_agent, "acme", "a1")
    agent.change(told.by("ada"), {"name": "Poet", "labels": ["y"]})
    told.record(agent)

    shown = told.ask(agents.get_agent, "acme", "a1")

    assert (shown["name"], shown["description"], shown["labels"]) == ("Poet", "writes", ["y"])
    assert told.ask(agents.find_agent, "acme", "Poet") == shown
    assert told.ask(agents.find_agent, "acme", "Scribe") is None


def test_agents_are_found_by_what_they_are(told: Told) -> None:
    registered(told, "a1", "Scribe", description="schreibt BÜCHER")
    told.later(1)
    registered(told, "a2", "Flow_100%", type_="workflow")
    told.later(1)
    gone = registered(told, "a3", "Gone")
    gone.archive(told.by("ada"))
    told.record(gone)

    def found(**asked: str) -> list[str]:
        return ids(told.ask(agents.list_agents, "acme", FIRST, **asked))

    assert found() == ["a3", "a2", "a1"]
    assert found(type="workflow") == found(name="Flow_100%") == found(search="_100%") == ["a2"]
    assert found(search="bücher") == found(search="SCRIBE") == ["a1"]
    assert found(search="100_") == []
    assert found(status="archived") == ["a3"]
    assert found(status="active") == ["a2", "a1"]
    assert told.ask(agents.find_agent, "acme", "Gone") is None


def test_guardrails_come_in_their_order(told: Told) -> None:
    agent = registered(told)
    rail = {"type": "input", "scanner_type": "pii", "action": "block", "is_active": True}
    for id_, place in (("g1", 5), ("g2", 1), ("g3", 5)):
        facts = {"guardrail_id": id_, "sort_order": place, "config": {"threshold": 0.5}}
        agent.add_guardrail(told.by("ada"), {**rail, **facts})
        told.record(agent)

    listed = told.ask(agents.list_guardrails, "acme", "a1")

    assert ids(listed) == ["g2", "g1", "g3"]
    assert told.ask(agents.get_guardrail, "acme", "a1", "g1") == listed[1]
    assert (listed[1]["config"], listed[1]["agent_id"]) == ({"threshold": 0.5}, "a1")


def test_agents_of_another_workspace_do_not_exist(told: Told) -> None:
    add_version(told, registered(told), "1")
    registered(told, "b1", "Scribe", "umbrella")

    assert ids(told.ask(agents.list_agents, "umbrella", FIRST)) == ["b1"]
    assert told.ask(agents.find_agent, "umbrella", "Scribe")["id"] == "b1"
    for query, *more in (
        (agents.get_agent,),
        (agents.list_versions, FIRST),
        (agents.get_version, "v1"),
        (agents.list_guardrails,),
        (agents.get_guardrail, "g1"),
    ):
        with pytest.raises(NotFound):
            told.ask(query, "umbrella", "a1", *more)
