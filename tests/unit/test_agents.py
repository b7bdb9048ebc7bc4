from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from ledger_client.work import AgentSet, InvalidAgent, Run, load_agents


class Guest(BaseModel):
    name: str


async def greet(_: Run, guest: Guest) -> dict[str, Any]:
    return {"greeted": guest.name}


async def take_anything(_run: Run, _input: dict[str, Any]) -> dict[str, Any]:
    return {}


def test_an_input_schema_is_that_of_the_model_which_annotates_the_input() -> None:
    agents = AgentSet()

    agents.agent(name="greeter", version="1")(greet)

    [agent] = agents
    assert agent.input_schema == Guest.model_json_schema()
    assert agent.input_model is Guest


def test_an_input_without_a_model_is_any_object() -> None:
    agents = AgentSet()

    agents.agent(name="greeter", version="1")(take_anything)

    [agent] = agents
    assert agent.input_schema == {"type": "object"}
    assert agent.input_model is None


def test_a_schema_that_is_given_wins_over_the_models() -> None:
    agents = AgentSet()

    agents.agent(name="greeter", version="1", input_schema={"required": ["name"]})(greet)

    [agent] = agents
    assert agent.input_schema == {"required": ["name"]}


def test_a_name_is_taken_once() -> None:
    agents = AgentSet()
    agents.agent(name="greeter", version="1")(greet)

    with pytest.raises(InvalidAgent, match="two agents named 'greeter'"):
        agents.agent(name="greeter", version="2")(take_anything)


def not_async(_run: Run, _input: dict[str, Any]) -> dict[str, Any]:
    return {}


async def no_input(_run: Run) -> dict[str, Any]:
    return {}


@pytest.mark.parametrize("function", [not_async, no_input])
def test_what_is_no_async_function_of_a_run_and_an_input_is_refused(function: Any) -> None:
    with pytest.raises(InvalidAgent, match=r"async def f\(run, input\)"):
        AgentSet().agent(name="greeter", version="1")(function)


def test_agents_are_loaded_by_module_and_name() -> None:
    agents = load_agents("server.demo:agents")

    assert {agent.name for agent in agents} == {"order-support", "refund", "text-statistics"}


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("server.demo", "MODULE:NAME"),
        ("no_such_module:agents", "cannot import"),
        ("server.demo:PRICES", "not an AgentSet"),
        ("server.demo:missing", "there is no 'missing'"),
        ("my_agents.py:agents", "without .py: my_agents"),
    ],
)
def test_what_is_no_agent_set_is_refused(place: str, said: str) -> None:
    with pytest.raises(InvalidAgent, match=said):
        load_agents(place)


@pytest.mark.parametrize(
    ("text", "said"),
    [("def x(:\n", "SyntaxError"), ("1 / 0\n", "ZeroDivisionError: division by zero")],
)
def test_a_module_that_breaks_when_imported_is_named_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    (tmp_path / "broken_agents.py").write_text(text, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(InvalidAgent, match=said) as refusal:
        load_agents("broken_agents:agents")

    assert "broken_agents.py" in str(refusal.value)


def test_a_set_without_agents_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from ledger_client.work import AgentSet\nagents = AgentSet()\n"
    (tmp_path / "no_agents.py").write_text(text, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(InvalidAgent, match="holds no agent"):
        load_agents("no_agents:agents")
