"""Commands on agents: register, change, add and promote versions, archive; and their names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger.agent import Agent, AgentType
from ledger.approval_policy import holds_back, policy_in
from ledger.claims import AgentName
from ledger.commands.command import Decision
from ledger.errors import NameTaken
from ledger.run_budget import check_limits
from ledger.schema import check_schema
from ledger.terms import terms_of
from ledger.unit import Unit


@dataclass(frozen=True, slots=True)
class RegisterAgent:
    """Make an agent known under a name that no other agent of the workspace has."""

    name: str
    type: AgentType = "agent"
    description: str = ""
    labels: list[str] = field(default_factory=list)

    def decide(self, unit: Unit) -> Decision:
        """Record `registered` and the claim on the name."""
        agent_id = unit.new_id()
        _claim(unit, self.name, agent_id)
        return Decision(
            unit.add(
                Agent.register(
                    agent_id, unit.stamp, self.name, self.type, self.description, self.labels
                )
            )
        )


@dataclass(frozen=True, slots=True)
class ChangeAgent:
    """Change what is given of name, type, description and labels."""

    agent_id: str
    facts: Mapping[str, Any]

    def decide(self, unit: Unit) -> Decision:
        """Record `changed`; a new name is claimed and the old one released."""
        agent = unit.agent(self.agent_id)
        agent.refuse_if_archived()
        name = self.facts.get("name")
        if name is not None and name != agent.name:
            _claim(unit, name, agent.id)
            _release(unit, agent)
        if self.facts:
            agent.change(unit.stamp, self.facts)
        return Decision(agent)


@dataclass(frozen=True, slots=True)
class AddVersion:
    """Add a version to an agent. `facts` are those of `VersionAdded` but the id.

    With `once` nothing is recorded where there is a version with this label already.
    """

    agent_id: str
    facts: Mapping[str, Any]
    promote: bool = False
    once: bool = False

    def decide(self, unit: Unit) -> Decision:
        """Record `version_added`, and `promoted` if asked or if it is the first."""
        agent = unit.agent(self.agent_id)
        agent.refuse_if_archived()
        known = agent.labelled(self.facts["version"]) if self.once else None
        if known is not None:
            return Decision(agent, known.id)
        for name in ("input_schema", "output_schema"):
            check_schema(self.facts.get(name) or {}, name)
        config = self.facts.get("config") or {}
        terms_of(config)
        check_limits(self.facts["given"].get("run_budget", config.get("run_budget")))
        if holds_back(self.facts["config"]):
            policy_in(self.facts["given"].get("approval_policy"))
        version_id = unit.new_id()
        agent.add_version(
            unit.stamp, {"version_id": version_id, **self.facts}, promote=self.promote
        )
        return Decision(agent, version_id)


@dataclass(frozen=True, slots=True)
class PromoteVersion:
    """Put a version in force."""

    agent_id: str
    version_id: str

    def decide(self, unit: Unit) -> Decision:
        """Record `promoted`, unless it is in force already."""
        agent = unit.agent(self.agent_id)
        agent.promote(unit.stamp, self.version_id)
        return Decision(agent, self.version_id)


@dataclass(frozen=True, slots=True)
class AddGuardrail:
    """Note a guardrail of an agent, as given."""

    agent_id: str
    facts: Mapping[str, Any]

    def decide(self, unit: Unit) -> Decision:
        """Record `guardrail_added`."""
        agent = unit.agent(self.agent_id)
        guardrail_id = unit.new_id()
        agent.add_guardrail(unit.stamp, {"guardrail_id": guardrail_id, **self.facts})
        return Decision(agent, guardrail_id)


@dataclass(frozen=True, slots=True)
class ArchiveAgent:
    """Take no more executions of an agent; its name is free again. Twice is the same as once."""

    agent_id: str

    def decide(self, unit: Unit) -> Decision:
        """Record `archived` and release the name."""
        agent = unit.agent(self.agent_id)
        if not agent.archived:
            agent.archive(unit.stamp)
            _release(unit, agent)
        return Decision(agent)


def agent_of_name(unit: Unit, name: str) -> Agent:
    """The agent of that name, registered now if nobody has the name."""
    claim = unit.agent_name(name)
    if claim is not None and claim.agent_id is not None:
        return unit.agent(claim.agent_id)
    agent = RegisterAgent(name).decide(unit).aggregate
    assert isinstance(agent, Agent)
    return agent


def _claim(unit: Unit, name: str, agent_id: str) -> None:
    claim = unit.agent_name(name)
    if claim is None:
        unit.add(AgentName.claim(unit.stamp, name, agent_id))
    elif claim.agent_id is None:
        claim.reclaim(unit.stamp, agent_id)
    else:
        raise NameTaken(name, claim.agent_id)


def _release(unit: Unit, agent: Agent) -> None:
    claim = unit.agent_name(agent.name)
    assert claim is not None, "an agent is registered with the claim on its name"
    claim.release(unit.stamp)
