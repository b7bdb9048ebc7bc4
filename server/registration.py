"""Makes a worker's agents known: by the commands that everybody uses, and once."""

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

import structlog

from ledger import agent as facts
from ledger.agent import AgentType
from ledger.commands import AddVersion, RegisterAgent
from ledger.errors import NameTaken
from ledger.orders import Caller
from ledger.strict_json import plain
from server.services import Services

Json = dict[str, Any]

log = structlog.get_logger()


class Described(Protocol):
    """An agent as its program describes it."""

    @property
    def name(self) -> str:
        """Unique in the workspace."""

    @property
    def version(self) -> str:
        """A label; the first registration of each label is recorded and put in force."""

    @property
    def type(self) -> AgentType:
        """What kind of agent it is."""

    @property
    def description(self) -> str:
        """For people."""

    @property
    def labels(self) -> list[str]:
        """For people."""

    @property
    def config(self) -> Json:
        """Kept with the version."""

    @property
    def approval_policy(self) -> Json:
        """Who may decide on work held back, and what follows a no."""

    @property
    def input_schema(self) -> Json:
        """What an input must satisfy."""

    @property
    def output_schema(self) -> Json | None:
        """What an output is to satisfy."""


class Registered(NamedTuple):
    """An agent that is known now.

    Attributes:
        agent_id: of the agent.
        version_id: of the version with the label; it need not be the one in force.
        is_new: whether the version was recorded just now.
        differs: whether the version that is known says otherwise than the program.
    """

    agent_id: str
    version_id: str
    is_new: bool = False
    differs: bool = False


async def register(
    services: Services, caller: Caller, agents: Iterable[Described]
) -> list[Registered]:
    """Register each agent, and its version when the label is new.

    A version that is known already is left as it is, in force or not: what an operator decided
    since outlives a restart of the worker.
    """
    return [await _register(services, caller, each) for each in agents]


async def _register(services: Services, caller: Caller, agent: Described) -> Registered:
    agent_id = await _agent_id(services, caller, agent)
    known = await _version(services, agent_id, agent.version)
    if known is None:
        command = AddVersion(agent_id, _facts_of(agent), promote=True, once=True)
        receipt = await services.record(command, caller)
        if receipt.events:
            log.info("version registered", agent=agent.name, version=agent.version)
            return Registered(agent_id, receipt.subject or "", is_new=True)
        known = await _version(services, agent_id, agent.version)  # somebody was faster
        assert known is not None
    said = [known["input_schema"], known["config"], known["given"]]
    differs = plain(said) != plain([agent.input_schema, agent.config, _given(agent)])
    if differs:
        log.warning(
            "the agent changed but its version label did not; the recorded version stands",
            agent=agent.name,
            version=agent.version,
        )
    return Registered(agent_id, known["version_id"], differs=differs)


async def _agent_id(services: Services, caller: Caller, agent: Described) -> str:
    command = RegisterAgent(agent.name, agent.type, agent.description, agent.labels)
    try:
        receipt = await services.record(command, caller)
    except NameTaken as taken:
        return str(taken.details["agent_id"])
    return receipt.id


async def _version(services: Services, agent_id: str, label: str) -> Json | None:
    """What was recorded of the first version with a label."""
    log_of_agent = await services.read(lambda: services.ledger.read_facts(agent_id))
    added = (fact.facts for fact in log_of_agent if fact.topic == facts.VersionAdded.TOPIC)
    return next((version for version in added if version["version"] == label), None)


def _facts_of(agent: Described) -> Json:
    return {
        "version": agent.version,
        "config": agent.config,
        "input_schema": agent.input_schema,
        "output_schema": agent.output_schema,
        "message": "registered by its worker",
        "given": _given(agent),
    }


def _given(agent: Described) -> Json:
    return {"approval_policy": agent.approval_policy} if agent.approval_policy else {}
