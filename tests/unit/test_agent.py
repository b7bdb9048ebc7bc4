from collections.abc import Callable
from typing import Any

import pytest

from ledger.agent import (
    Agent,
    Archived,
    Changed,
    GuardrailAdded,
    Promoted,
    Registered,
    VersionAdded,
)
from ledger.errors import AgentArchived, NotFound
from tests.given import STAMP, newest, recorded


def version(id_: str) -> dict[str, Any]:
    """The facts of a version."""
    return {
        "version_id": id_,
        "version": f"{id_}.0",
        "config": {"model": "m"},
        "input_schema": {"type": "object"},
        "given": {},
    }


@pytest.fixture(name="registered")
def registered_fixture() -> Agent:
    agent = Agent.register("agent-1", STAMP, "Writer", "simple", "writes", ["prose"])
    agent.pending_events.clear()
    return agent


@pytest.fixture(name="versioned")
def versioned_fixture(registered: Agent) -> Agent:
    registered.add_version(STAMP, version("one"), promote=False)
    registered.add_version(STAMP, version("two"), promote=False)
    registered.pending_events.clear()
    return registered


@pytest.fixture(name="archived")
def archived_fixture(versioned: Agent) -> Agent:
    versioned.archive(STAMP)
    versioned.pending_events.clear()
    return versioned


def test_registering_an_agent_records_registered() -> None:
    agent = Agent.register("agent-1", STAMP, "Writer", "simple", "writes", ["prose"])

    assert recorded(agent) == [Registered]
    assert (agent.name, agent.workspace) == ("Writer", "acme")


def test_the_first_version_is_in_force_at_once(registered: Agent) -> None:
    registered.add_version(STAMP, version("one"), promote=False)

    assert recorded(registered) == [VersionAdded, Promoted]
    assert newest(registered).version_id == "one"


def test_a_later_version_waits_for_its_promotion(versioned: Agent) -> None:
    versioned.add_version(STAMP, version("three"), promote=False)

    assert recorded(versioned) == [VersionAdded]
    assert versioned.current == "one"


def test_a_later_version_is_in_force_at_once_when_asked(versioned: Agent) -> None:
    versioned.add_version(STAMP, version("three"), promote=True)

    assert recorded(versioned) == [VersionAdded, Promoted]
    assert versioned.current == "three"


def test_promoting_a_version_puts_it_in_force(versioned: Agent) -> None:
    versioned.promote(STAMP, "two")

    assert recorded(versioned) == [Promoted]
    assert versioned.current == "two"


def test_promoting_what_is_in_force_records_nothing(versioned: Agent) -> None:
    versioned.promote(STAMP, "one")

    assert recorded(versioned) == []


def test_promoting_a_version_that_is_not_there_is_refused(versioned: Agent) -> None:
    with pytest.raises(NotFound):
        versioned.promote(STAMP, "nine")

    assert recorded(versioned) == []


def test_the_version_asked_for_is_found_whether_in_force_or_not(versioned: Agent) -> None:
    found = versioned.version_of("two")

    assert found is not None
    assert (found.id, found.config, found.input_schema) == (
        "two",
        {"model": "m"},
        {"type": "object"},
    )


@pytest.mark.parametrize("nothing", [None, ""])
def test_without_a_name_the_version_in_force_is_meant(
    versioned: Agent, nothing: str | None
) -> None:
    found = versioned.version_of(nothing)

    assert found is not None
    assert found.id == "one"


def test_an_agent_may_have_no_version(registered: Agent) -> None:
    assert registered.version_of(None) is None


def test_changing_an_agent_changes_what_is_given(registered: Agent) -> None:
    registered.change(STAMP, {"description": "writes well"})

    assert recorded(registered) == [Changed]
    assert (newest(registered).name, registered.name) == (None, "Writer")


def test_renaming_an_agent_renames_it(registered: Agent) -> None:
    registered.change(STAMP, {"name": "Author"})

    assert registered.name == "Author"


def test_a_guardrail_is_kept_as_given(registered: Agent) -> None:
    facts = {"type": "input", "scanner_type": "pii", "action": "block", "config": {"x": 1}}

    registered.add_guardrail(
        STAMP, {"guardrail_id": "g", **facts, "is_active": True, "sort_order": 0}
    )

    assert recorded(registered) == [GuardrailAdded]
    assert newest(registered).config == {"x": 1}


def test_archiving_an_agent_records_archived(registered: Agent) -> None:
    registered.archive(STAMP)

    assert recorded(registered) == [Archived]


@pytest.mark.parametrize(
    "act",
    [
        lambda agent: agent.change(STAMP, {"description": ""}),
        lambda agent: agent.add_version(STAMP, version("three"), promote=True),
        lambda agent: agent.promote(STAMP, "two"),
        lambda agent: agent.add_guardrail(STAMP, {}),
        lambda agent: agent.archive(STAMP),
        Agent.refuse_if_archived,
    ],
)
def test_an_archived_agent_takes_nothing_more(
    archived: Agent, act: Callable[[Agent], object]
) -> None:
    with pytest.raises(AgentArchived):
        act(archived)

    assert recorded(archived) == []
