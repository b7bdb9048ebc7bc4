"""Spending under run budgets: the event that crosses a limit is the last one of its run."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from ledger import events as e
from ledger.commands.usage import usage_facts
from ledger.execution import Execution
from ledger.frames import Step, UsageReport
from ledger.run_budget import BudgetExceeded, RunBudget, Tally, spent_of
from ledger.unit import Unit

Json = dict[str, Any]

_ONE_TOOL_CALL: Final = Tally(tool_calls=1)


def append_within_budget(execution: Execution, unit: Unit, steps: Sequence[Step]) -> Json:
    """Record steps until one crosses a limit; that one is recorded, and the run has failed.

    The execution whose budget it is fails with the one that spent, in the same transaction. What
    would have followed is not recorded: it belongs to a run that is over.

    Returns:
        How the budget stands, for the answer: `state`, `remaining`, `spent`.
    """
    for step in steps:
        spent = append_step(execution, unit, step)
        crossed = None if spent is None else next(_crossed(execution, unit), None)
        if crossed is not None:
            _stop(execution, unit, *crossed)
            break
    return standing(execution, unit)


def append_step(execution: Execution, unit: Unit, step: Step) -> Tally | None:
    """Record one step, and count it where a budget does; None when it spends nothing."""
    if isinstance(step, UsageReport):
        facts = usage_facts(unit, step)
        execution.record_usage(unit.stamp, facts)
        tally = tally_of(facts)
    else:
        execution.append(unit.stamp, [step])
        if step.event is not e.ToolStarted:
            return None
        tally = _ONE_TOOL_CALL
    unit.spend(execution.budget_owners, tally)
    return tally


def tally_of(facts: Json) -> Tally:
    """What a usage event spends."""
    cost, tokens = facts["cost_usd"], facts["total_tokens"]
    return Tally(cost or Decimal(0), tokens, tokens if cost is None else 0)


def refuse_beyond_budget(parent: Execution, unit: Unit) -> None:
    """Raises BudgetExceeded when a budget above forbids another execution below the parent."""
    for owner in _owners(parent, unit):
        budget = owner.budget or RunBudget()
        children = len(unit.budget_tree(owner.id).members) - 1
        depth = parent.depth - owner.depth + 1
        for name, most, comes_to in (
            ("max_children", budget.max_children, children + 1),
            ("max_depth", budget.max_depth, depth),
        ):
            if most is not None and comes_to > most:
                message = f"{name}: the budget of execution {owner.id} allows {most}"
                raise BudgetExceeded(message, execution_id=owner.id, limit=name, most=most)


def standing(execution: Execution, unit: Unit) -> Json:
    """How the budgets stand that an execution spends from; the tightest of each limit."""
    remaining: Json = {}
    exceeded = False
    for owner in _owners(execution, unit):
        for name, left in _left(owner, unit):
            exceeded = exceeded or left < 0
            remaining[name] = min(left, remaining.get(name, left))
    shown = {name: max(left, type(left)(0)) for name, left in remaining.items()}
    return {"state": "exceeded" if exceeded else "ok", "remaining": shown}


def _left(owner: Execution, unit: Unit) -> Iterator[tuple[str, Any]]:
    budget = owner.budget or RunBudget()
    spent = spent_of(budget, unit.tally(owner.id), unit.policy.unpriced_usd)
    for name, each in spent.items():
        yield name, getattr(budget, name) - each


def _crossed(execution: Execution, unit: Unit) -> Iterator[tuple[Execution, str]]:
    for owner in _owners(execution, unit):
        for name, left in _left(owner, unit):
            if left < 0:
                yield owner, name


def _owners(execution: Execution, unit: Unit) -> Iterator[Execution]:
    """The executions whose budgets it spends from, itself among them if it has one."""
    for id_ in execution.budget_owners:
        yield execution if id_ == execution.id else unit.execution(id_)


def _stop(execution: Execution, unit: Unit, owner: Execution, limit: str) -> None:
    most = getattr(owner.budget, limit)
    whose = "its" if owner.id == execution.id else f"the budget of execution {owner.id}:"
    error = f"{whose} {limit} of {most} is exceeded"
    facts = {"error": error, "error_code": "budget_exceeded"}
    execution.fail(unit.stamp, facts)
    if not owner.status.is_terminal:
        own = f"its {limit} of {most} is exceeded, by execution {execution.id}"
        owner.fail(unit.stamp, facts | {"error": own})
