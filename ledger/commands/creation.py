"""The command that begins an execution: which agent and version, under which terms, below whom."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ledger import events as e
from ledger.agent import Agent
from ledger.approval_policy import ApprovalPolicy, holds_back, policy_in
from ledger.budget_tree import BudgetTree
from ledger.commands.agents import agent_of_name
from ledger.commands.budgets import refuse_beyond_budget, refuse_over_spent
from ledger.commands.command import Decision
from ledger.errors import InvalidConfig, LimitExceeded, ParentStopped
from ledger.execution import Execution
from ledger.ids import new_trace_id
from ledger.run_budget import RunBudget, budget_in
from ledger.schema import check_input
from ledger.terms import Terms, terms_of
from ledger.unit import Unit

MOST_DEPTH: Final = 50
"""How deep executions may be nested below the one at the top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateExecution:
    """Ask for a run of an agent, or announce one that the caller records.

    The agent is given by id or by name; a name is registered on its first use. An agent given by
    id may name a version; its input schema decides whether the input will do.
    """

    mode: e.Mode
    input: e.Json
    agent_id: str | None = None
    agent_name: str | None = None
    version_id: str | None = None
    metadata: e.Json = field(default_factory=dict)
    session_id: str = ""
    user_id: str = ""
    parent_execution_id: str | None = None
    trace_id: str | None = None
    occurred_at: datetime | None = None

    def decide(self, unit: Unit) -> Decision:
        """Record `created`."""
        agent = self._agent(unit)
        agent.refuse_if_archived()
        version = agent.version_of(self.version_id)
        config: e.Json = {}
        policy: ApprovalPolicy | None = None
        budget: RunBudget | None = None
        if version is not None:
            check_input(version.input_schema, self.input)
            config, budget = version.config, _budget(version.run_budget)
            policy = policy_in(version.approval_policy) if holds_back(config) else None
        id_ = unit.new_id()
        if self.mode == "execute":
            refuse_over_spent(unit, agent.id, self.user_id)
        facts = {
            "mode": self.mode,
            "agent_id": agent.id,
            "agent_name": agent.name,
            "agent_version_id": "" if version is None else version.id,
            "user_id": self.user_id,
            "session_id": self.session_id,
            "input": self.input,
            "metadata": self.metadata,
            "approval_checkpoint": _checkpoint(config),
            "terms": _terms(config),
            "approval_policy": policy,
            "budget": budget,
            "occurred_at": self.occurred_at,
            **self._ancestry(unit, id_),
        }
        owners = [*([id_] if budget else []), *facts.pop("owners", ())]
        facts["budget_owners"] = owners or None
        execution = unit.add(Execution.create(id_, unit.stamp, facts))
        _join(unit, id_, owners)
        return Decision(execution)

    def _agent(self, unit: Unit) -> Agent:
        if self.agent_id is not None:
            return unit.agent(self.agent_id)
        return agent_of_name(unit, self.agent_name or "")

    def _ancestry(self, unit: Unit, id_: str) -> e.Json:
        if self.parent_execution_id is None:
            trace_id = self.trace_id or new_trace_id()
            return {"root_execution_id": id_, "trace_id": trace_id}
        parent = unit.execution(self.parent_execution_id)
        if self.mode == "execute" and parent.is_stopped:
            raise ParentStopped(parent.id)
        if parent.depth >= MOST_DEPTH:
            message = f"executions are nested at most {MOST_DEPTH} deep"
            raise LimitExceeded(message, execution_id=parent.id)
        refuse_beyond_budget(parent, unit)
        return {
            "owners": parent.budget_owners,
            "parent_execution_id": parent.id,
            "root_execution_id": parent.root_execution_id,
            "trace_id": parent.trace_id,
            "depth": parent.depth + 1,
        }


def _budget(given: Any) -> RunBudget | None:
    """The budget of a version, if it has one; one of before budgets were read may be anything."""
    try:
        return budget_in(given)
    except InvalidConfig:
        return None


def _join(unit: Unit, id_: str, owners: Sequence[str]) -> None:
    """Note an execution in the trees of the budgets that it spends from."""
    for owner in owners:
        if owner == id_:
            unit.add(BudgetTree.begin(unit.stamp, id_))
        else:
            unit.budget_tree(owner).join(unit.stamp, id_)


def _terms(config: e.Json) -> Terms | None:
    """The terms of a version, if it has any; a version of before there were terms has none."""
    try:
        terms = terms_of(config)
    except InvalidConfig:
        return None
    return terms if terms != Terms() else None


def _checkpoint(config: e.Json) -> str | None:
    """The checkpoint at which a version wants its finished work held back, if it does."""
    if not holds_back(config):
        return None
    name = config.get("checkpoint_name") or config.get("approval_checkpoint_name")
    return str(name or "output")
