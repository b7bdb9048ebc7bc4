"""Spending under run budgets: the event that crosses a limit is the last one of its run."""

from collections.abc import Iterator, Sequence
from decimal import Decimal, localcontext
from typing import Any, Final, NamedTuple

from ledger import events as e
from ledger.commands.usage import usage_facts
from ledger.exact import EXACT
from ledger.execution import Execution
from ledger.frames import Step, UsageReport
from ledger.run_budget import BudgetExceeded, RunBudget, Tally, spent_of
from ledger.standing_budgets import purses_of
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
        limits = () if spent is None else _limits(execution, unit)
        crossed = next((limit for limit in limits if limit.left < 0), None)
        if crossed is not None:
            _stop(execution, unit, crossed)
            break
    return _standing(execution, unit)


def append_step(execution: Execution, unit: Unit, step: Step) -> Tally | None:
    """Record one step, and count it where a budget does; None when it spends nothing."""
    if isinstance(step, UsageReport):
        facts = usage_facts(unit, step)
        execution.record_usage(unit.stamp, facts)
        tally = tally_of(facts)
        unit.spend_today(purses_of(execution.agent_id, execution.user_id), tally)
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
        budget = _budget_of(owner)
        children = len(unit.budget_tree(owner.id).members) - 1
        depth = parent.depth - owner.depth + 1
        for name, most, comes_to in (
            ("max_children", budget.max_children, children + 1),
            ("max_depth", budget.max_depth, depth),
        ):
            if most is not None and comes_to > most:
                message = f"{name}: the budget of execution {owner.id} allows {most}"
                raise BudgetExceeded(message, execution_id=owner.id, limit=name, most=most)


def refuse_over_spent(unit: Unit, agent_id: str, user_id: str) -> None:
    """Raises BudgetExceeded when the budget of the day is spent of whoever asks for a run."""
    for limit in _of_the_day(unit, agent_id, user_id):
        if limit.left < 0:
            message = f"{limit.whose} {limit.name} of {limit.most} is exceeded"
            raise BudgetExceeded(message, limit=limit.name, most=str(limit.most))


def is_limited(execution: Execution, unit: Unit) -> bool:
    """Whether any budget limits what an execution spends."""
    if execution.budget_owners:
        return True
    standing = unit.standing_budgets()
    return standing is not None and any(
        each.purse(execution.agent_id, execution.user_id) for each in standing.budgets
    )


def budget_state(execution: Execution, unit: Unit) -> Json | None:
    """How the budgets stand that an execution spends from; None where there are none."""
    return _standing(execution, unit) if is_limited(execution, unit) else None


def _standing(execution: Execution, unit: Unit) -> Json:
    """How the budgets stand that an execution spends from; the tightest of each limit."""
    remaining: Json = {}
    exceeded = False
    for limit in _limits(execution, unit):
        exceeded = exceeded or limit.left < 0
        remaining[limit.name] = min(limit.left, remaining.get(limit.name, limit.left))
    shown = {name: max(left, type(left)(0)) for name, left in remaining.items()}
    if exceeded:
        return {"state": "exceeded", "remaining": shown}
    question = next(_questions(execution, unit), None)
    if question is None:
        return {"state": "ok", "remaining": shown}
    return {"state": "ask", "remaining": shown, "ask": question}


def _questions(execution: Execution, unit: Unit) -> Iterator[Json]:
    """What a human is to be asked for: the payload of a request at the checkpoint `budget`."""
    for owner in _owners(execution, unit):
        budget, tree = _budget_of(owner), unit.budget_tree(owner.id)
        if budget.ask_at is None or budget.max_cost is None or tree.asked:
            continue
        charged = unit.tally(owner.id).charged(unit.policy.unpriced_usd)
        if charged > budget.ask_at + tree.raised_by:
            yield {
                "budget_of": owner.id,
                "spent": f"{charged:f}",
                "max_cost": f"{budget.raised(tree.raised_by).max_cost:f}",
                "raise_by": f"{budget.raise_by or budget.max_cost:f}",
            }


def _budget_of(owner: Execution) -> RunBudget:
    return owner.budget or RunBudget()


class _Limit(NamedTuple):
    """One limit of one budget: what it is of, what it allows, and what is left of that."""

    name: str
    most: Any
    left: Any
    whose: str
    owner: Execution | None = None


def _limits(execution: Execution, unit: Unit) -> Iterator[_Limit]:
    for owner in _owners(execution, unit):
        whose = "its" if owner.id == execution.id else f"the budget of execution {owner.id}:"
        budget = _budget_of(owner).raised(unit.budget_tree(owner.id).raised_by)
        for name, most, left in _left(budget, unit.tally(owner.id), unit):
            yield _Limit(name, most, left, whose, owner)
    yield from _of_the_day(unit, execution.agent_id, execution.user_id)


def _of_the_day(unit: Unit, agent_id: str, user_id: str) -> Iterator[_Limit]:
    standing = unit.standing_budgets()
    for budget in () if standing is None else standing.budgets:
        purse = budget.purse(agent_id, user_id)
        if purse is not None:
            whose = f"the day's budget {budget.id} of the {' '.join(filter(None, purse))}:"
            for name, most, left in _left(budget.limits, unit.today(purse), unit):
                yield _Limit(name, most, left, whose)


def _left(budget: RunBudget, tally: Tally, unit: Unit) -> Iterator[tuple[str, Any, Any]]:
    spent = spent_of(budget, tally, unit.policy.unpriced_usd)
    for name, each in spent.items():
        most = getattr(budget, name)
        with localcontext(EXACT):
            left = most - each
        yield name, most, left


def _owners(execution: Execution, unit: Unit) -> Iterator[Execution]:
    """The executions whose budgets it spends from, itself among them if it has one."""
    for id_ in execution.budget_owners:
        yield execution if id_ == execution.id else unit.execution(id_)


def _stop(execution: Execution, unit: Unit, limit: _Limit) -> None:
    said = f"{limit.name} of {limit.most} is exceeded"
    facts = {"error": f"{limit.whose} {said}", "error_code": "budget_exceeded"}
    execution.fail(unit.stamp, facts)
    owner = limit.owner
    if owner is not None and not owner.status.is_terminal:
        own = f"its {said}, by execution {execution.id}"
        owner.fail(unit.stamp, facts | {"error": own})
