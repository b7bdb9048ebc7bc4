from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger import commands as c
from ledger.errors import AgentArchived, InvalidSchema, NameTaken, NotFound
from tests.recording import UMBRELLA, Recording, created, recording, topics


@pytest.fixture(name="open_")
def open_fixture(tmp_path: Path) -> Iterator[Recording]:
    with recording(tmp_path) as open_:
        yield open_


@pytest.fixture(name="agent_id")
def agent_fixture(open_: Recording) -> str:
    return open_.do(c.RegisterAgent("Writer")).id


def version(**facts: Any) -> dict[str, Any]:
    return {"version": "1.0", "config": {}, "input_schema": {}, "given": {}, **facts}


# Agents and their names


def test_two_agents_of_a_workspace_have_two_names(open_: Recording, agent_id: str) -> None:
    with pytest.raises(NameTaken) as refusal:
        open_.do(c.RegisterAgent("Writer"))

    assert refusal.value.details["agent_id"] == agent_id


def test_the_same_name_in_two_workspaces_is_two_agents(open_: Recording, agent_id: str) -> None:
    assert open_.do(c.RegisterAgent("Writer"), UMBRELLA).id != agent_id


def test_an_archived_agent_gives_its_name_up(open_: Recording, agent_id: str) -> None:
    open_.do(c.ArchiveAgent(agent_id))

    successor = open_.do(c.RegisterAgent("Writer"))

    assert topics(successor) == ["name.reclaimed.v1", "agent.registered.v1"]
    assert open_.do(created()).events[-1].facts["agent_id"] == successor.id


def test_archiving_twice_is_the_same_as_once(open_: Recording, agent_id: str) -> None:
    open_.do(c.ArchiveAgent(agent_id))

    assert topics(open_.do(c.ArchiveAgent(agent_id))) == []


def test_an_archived_agent_takes_no_runs(open_: Recording, agent_id: str) -> None:
    open_.do(c.ArchiveAgent(agent_id))

    with pytest.raises(AgentArchived):
        open_.do(created(agent_id=agent_id))


def test_an_archived_agent_gives_no_name_up_by_renaming(open_: Recording, agent_id: str) -> None:
    open_.do(c.ArchiveAgent(agent_id))

    with pytest.raises(AgentArchived):
        open_.do(c.ChangeAgent(agent_id, {"name": "Author"}))


def test_a_renamed_agent_frees_its_old_name(open_: Recording, agent_id: str) -> None:
    renamed = open_.do(c.ChangeAgent(agent_id, {"name": "Author"}))

    assert sorted(topics(renamed)) == ["agent.changed.v1", "name.claimed.v1", "name.released.v1"]
    assert open_.do(c.RegisterAgent("Writer")).id != agent_id
    with pytest.raises(NameTaken):
        open_.do(c.RegisterAgent("Author"))


def test_an_agent_cannot_take_the_name_of_another(open_: Recording, agent_id: str) -> None:
    open_.do(c.RegisterAgent("Critic"))

    with pytest.raises(NameTaken):
        open_.do(c.ChangeAgent(agent_id, {"name": "Critic"}))

    assert open_.ledger.last_version(agent_id) == 1


def test_keeping_its_name_claims_nothing(open_: Recording, agent_id: str) -> None:
    kept = open_.do(c.ChangeAgent(agent_id, {"name": "Writer", "description": "writes"}))

    assert topics(kept) == ["agent.changed.v1"]


def test_changing_nothing_records_nothing(open_: Recording, agent_id: str) -> None:
    assert topics(open_.do(c.ChangeAgent(agent_id, {}))) == []


@pytest.mark.parametrize("name", ["input_schema", "output_schema"])
def test_a_version_with_a_schema_that_is_none_is_refused(
    open_: Recording, agent_id: str, name: str
) -> None:
    with pytest.raises(InvalidSchema) as refusal:
        open_.do(c.AddVersion(agent_id, version(**{name: {"type": "text"}})))

    assert refusal.value.details == {"field": name}


def test_a_version_is_promoted_when_asked(open_: Recording, agent_id: str) -> None:
    open_.do(c.AddVersion(agent_id, version()))
    second = open_.do(c.AddVersion(agent_id, version()))
    assert second.subject is not None

    promoted = open_.do(c.PromoteVersion(agent_id, second.subject))

    assert topics(promoted) == ["agent.promoted.v1"]
    assert promoted.subject == second.subject


def test_a_guardrail_has_an_id_of_its_own(open_: Recording, agent_id: str) -> None:
    facts = {"type": "input", "scanner_type": "pii", "action": "block", "config": {}}

    added = open_.do(c.AddGuardrail(agent_id, {**facts, "is_active": True, "sort_order": 1}))

    assert added.events[-1].facts["guardrail_id"] == added.subject


# Workspaces


@pytest.mark.parametrize(
    "command",
    [
        lambda execution_id, _: c.Start(execution_id, "worker-1"),
        lambda execution_id, _: created(parent_execution_id=execution_id),
        lambda _, agent_id: c.ArchiveAgent(agent_id),
        lambda _, agent_id: created(agent_id=agent_id),
    ],
)
def test_nothing_of_another_workspace_exists(open_: Recording, agent_id: str, command: Any) -> None:
    id_ = open_.pending(agent_id=agent_id)

    with pytest.raises(NotFound):
        open_.do(command(id_, agent_id), UMBRELLA)


def test_an_id_of_another_kind_is_not_found(open_: Recording, agent_id: str) -> None:
    with pytest.raises(NotFound):
        open_.do(c.Start(agent_id, "worker-1"))
