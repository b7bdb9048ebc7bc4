"""What was spent under budgets so far: kept by the writer, worked out again when it is not.

Only the writer's thread comes here. A tally holds what was accepted, also within the batch at hand;
when a commit fails all of them are forgotten, for the log alone is true.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ledger.run_budget import Tally
from ledger.standing_budgets import Purse

_MOST_KEPT: Final = 20_000


class SpentToday(NamedTuple):
    """Something that was spent, by whom and when."""

    workspace: str
    day: str
    purses: Sequence[Purse]
    tally: Tally


class Spending:
    """Tallies by the id of the execution that has the budget, and those of days."""

    def __init__(self) -> None:
        self._trees: OrderedDict[str, Tally] = OrderedDict()
        self._days: dict[str, tuple[str, dict[Purse, Tally]]] = {}
        self._batch: list[SpentToday] = []

    def tree(self, owner_id: str) -> Tally | None:
        """What was spent in the tree of a budget; None when it has to be worked out."""
        return self._trees.get(owner_id)

    def put_tree(self, owner_id: str, tally: Tally) -> None:
        """Remember what was worked out from the log."""
        self._trees[owner_id] = tally

    def day(self, workspace: str, day: str) -> Mapping[Purse, Tally] | None:
        """What a workspace spent in a day; None when it has to be worked out."""
        kept = self._days.get(workspace)
        return kept[1] if kept is not None and kept[0] == day else None

    def put_day(self, workspace: str, day: str, sums: dict[Purse, Tally]) -> None:
        """Remember what was worked out from the log; what waits for its commit is added."""
        self._days[workspace] = day, sums
        for spent in self._batch:
            if spent.workspace == workspace:
                self._add_today(spent)

    def add(self, trees: Mapping[str, Tally], today: Sequence[SpentToday]) -> None:
        """Add what a command spent that was accepted."""
        for owner_id, tally in trees.items():
            self._trees[owner_id] = self._trees[owner_id].plus(tally)
            self._trees.move_to_end(owner_id)
        for spent in today:
            self._batch.append(spent)
            self._add_today(spent)

    def next_batch(self) -> None:
        """What was accepted before is in the log; let go of the longest unused."""
        self._batch.clear()
        while len(self._trees) > _MOST_KEPT:
            self._trees.popitem(last=False)

    def forget(self) -> None:
        """Work everything out again when it is needed."""
        self._trees.clear()
        self._days.clear()

    def _add_today(self, spent: SpentToday) -> None:
        kept = self._days.get(spent.workspace)
        if kept is not None and kept[0] == spent.day:
            for purse in spent.purses:
                kept[1][purse] = kept[1].get(purse, Tally()).plus(spent.tally)
