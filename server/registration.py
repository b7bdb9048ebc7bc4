"""Makes a program's agents known: by the commands that everybody uses, and once."""

from collections.abc import Sequence
from typing import Any

import structlog

from ledger import agent as facts
from ledger.commands import AddVersion, RegisterAgent
from ledger.errors import NameTaken
from ledger.event import Actor
from ledger.mapper import Recorded
from ledger.orders import Caller
from server.agents import AgentDefinition, AgentSet
from server.auth import DEFAULT_WORKSPACE
from server.services import Services

log = structlog.get_logger()


async def register(
    services: Services, agents: AgentSet, actor: Actor
) -> dict[str, AgentDefinition]:
    """Register each agent, and its version when the label is new.

    A version that is known already is left as it is, in force or not: what an operator decided
    since outlives a restart.

    Returns:
        The definitions, by the agent's id.
    """
    caller = Caller(DEFAULT_WORKSPACE, actor)
    return {await _register(services, caller, each): each for each in agents}


async def _register(services: Services, caller: Caller, agent: AgentDefinition) -> str:
    agent_id = await _agent_id(services, caller, agent)
    log_of_agent = await services.read(lambda: services.ledger.read_facts(agent_id))
    known = _version(log_of_agent, agent.version)
    if known is None:
        await services.record(AddVersion(agent_id, _facts_of(agent), promote=True), caller)
        log.info("version registered", agent=agent.name, version=agent.version)
    elif _differs(known, agent):
        log.warning(
            "the agent changed but its version label did not; the recorded version stands",
            agent=agent.name,
            version=agent.version,
        )
    return agent_id


async def _agent_id(services: Services, caller: Caller, agent: AgentDefinition) -> str:
    command = RegisterAgent(agent.name, agent.type, agent.description, agent.labels)
    try:
        receipt = await services.record(command, caller)
    except NameTaken as taken:
        return str(taken.details["agent_id"])
    return receipt.id


def _version(log_of_agent: Sequence[Recorded], label: str) -> dict[str, Any] | None:
    added = (fact.facts for fact in log_of_agent if fact.topic == facts.VersionAdded.TOPIC)
    return next((version for version in added if version["version"] == label), None)


def _facts_of(agent: AgentDefinition) -> dict[str, Any]:
    return {
        "version": agent.version,
        "config": agent.config,
        "input_schema": agent.input_schema,
        "output_schema": agent.output_schema,
        "message": "registered by the in-process worker",
        "given": _given(agent),
    }


def _given(agent: AgentDefinition) -> dict[str, Any]:
    return {"approval_policy": agent.approval_policy} if agent.approval_policy else {}


def _differs(known: dict[str, Any], agent: AgentDefinition) -> bool:
    said = (agent.input_schema, agent.config, _given(agent))
    return (known["input_schema"], known["config"], known["given"]) != said
