"""What a history comes to, in words that outlive the names of attributes."""

from collections.abc import Sequence
from typing import Any

from ledger.access import ApiKey
from ledger.agent import Agent
from ledger.aggregates import Aggregate
from ledger.budget_tree import BudgetTree
from ledger.claims import AgentName, IdempotencyKey
from ledger.execution import Execution
from ledger.mapper import LedgerMapper, Recorded
from ledger.model_prices import ModelPrices
from ledger.score_config import ScoreConfig
from ledger.standing_budgets import StandingBudgets

MAPPER = LedgerMapper()

Outcome = dict[str, Any]


def outcome_of(history: Sequence[Recorded]) -> dict[str, Outcome]:
    """By id, what became of each aggregate."""
    aggregates: dict[str, Any] = {}
    for event in history:
        aggregates[event.id] = MAPPER.read(event).mutate(aggregates.get(event.id))
    return {id_: _common(each) | _own(each) for id_, each in aggregates.items()}


def _common(aggregate: Aggregate) -> Outcome:
    return {
        "kind": type(aggregate).TOPIC,
        "version": aggregate.version,
        "workspace": aggregate.workspace,
    }


def _own(aggregate: Aggregate) -> Outcome:
    match aggregate:
        case Execution():
            return _of_execution(aggregate)
        case Agent(name=name, current=current, archived=archived, versions=versions):
            return {
                "name": name,
                "archived": archived,
                "current": current,
                "versions": sorted(versions),
            }
        case AgentName(agent_id=agent_id):
            return {"agent_id": agent_id}
        case IdempotencyKey(used=used):
            assert used is not None
            return {"answer": [used.aggregate_id, used.version], "digest": used.digest}
        case ApiKey() | ScoreConfig():
            gone = "revoked" if isinstance(aggregate, ApiKey) else "removed"
            return {gone: getattr(aggregate, gone)}
        case ModelPrices() | BudgetTree() | StandingBudgets():
            return _of_money(aggregate)


def _of_money(aggregate: ModelPrices | BudgetTree | StandingBudgets) -> Outcome:
    if isinstance(aggregate, StandingBudgets):
        return {"budgets": [[each.id, each.scope, each.key] for each in aggregate.budgets]}
    if isinstance(aggregate, BudgetTree):
        return {"members": list(aggregate.members)}
    stated = [[each.id, each.valid_until] for each in aggregate.stated]
    return {"model": aggregate.model, "prices": stated}


def _of_execution(execution: Execution) -> Outcome:
    return {
        "agent_id": execution.agent_id,
        "agent_version_id": execution.agent_version_id,
        "trace_id": execution.trace_id,
        "status": execution.status,
        "attempt": execution.attempt,
        "totals": execution.totals,
        "scores": sorted(execution.scores),
        "parked": execution.approval is not None,
    }
