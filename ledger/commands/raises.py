"""More money for a budget: asked of a human at a checkpoint, and granted by their yes."""

from ledger.execution import Execution
from ledger.run_budget import Raise
from ledger.unit import Unit


def note_asked(execution: Execution, unit: Unit) -> None:
    """Note that a human is asked to raise a budget, if that is what the execution waits for."""
    pending = execution.approval
    if pending is None or pending.raises is None:
        return
    owner_id = _owner_of(execution, pending.raises)
    if owner_id is not None:
        unit.budget_tree(owner_id).ask(unit.stamp, pending.id)


def raise_budget(execution: Execution, unit: Unit, approval_id: str, raises: Raise) -> None:
    """Add what a human granted to the budget that it was asked for."""
    owner_id = _owner_of(execution, raises)
    if owner_id is not None:
        unit.budget_tree(owner_id).raise_(unit.stamp, approval_id, raises.by)


def _owner_of(execution: Execution, raises: Raise) -> str | None:
    """Whose budget it is: an execution raises those only that it spends from."""
    return raises.owner_id if raises.owner_id in execution.budget_owners else None
