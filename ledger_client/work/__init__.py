"""Working on executions: a program's agents, and the worker that runs them wherever it is."""

from ledger_client.work.agents import AgentDefinition, AgentSet, InvalidAgent, load_agents
from ledger_client.work.run import Approval, ChildFailed, Run, Tool
from ledger_client.work.worker import Worker

__all__ = [
    "AgentDefinition",
    "AgentSet",
    "Approval",
    "ChildFailed",
    "InvalidAgent",
    "Run",
    "Tool",
    "Worker",
    "load_agents",
]
