"""What was spent under budgets so far: kept by the writer, worked out again when it is not.

Only the writer's thread comes here. What is kept is what the log says; beside it stands what the
commands of the batch at hand spend, until it is known whether they are recorded.
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


class SpentInDays:
    """What is spent in days, added up only where anybody asks."""

    def __init__(self) -> None:
        self.all: list[SpentToday] = []
        self._added = 0  # how many of them are in the sums
        self._sums: dict[tuple[str, str, Purse], Tally] = {}

    def by(self, workspace: str, day: str, purse: Purse) -> Tally:
        """What somebody spent in a day."""
        for spent in self.all[self._added :]:
            for each in spent.purses:
                whose = spent.workspace, spent.day, each
                self._sums[whose] = self._sums.get(whose, Tally()).plus(spent.tally)
        self._added = len(self.all)
        return self._sums.get((workspace, day, purse), Tally())

    def spenders(self, workspace: str, day: str) -> set[Purse]:
        """Who spent in a day."""
        days = (each for each in self.all if (each.workspace, each.day) == (workspace, day))
        return {purse for spent in days for purse in spent.purses}


NOTHING: Final = SpentInDays()
"""Of commands that spend nothing, as most do; nothing is ever added to it."""


class Spending:
    """Tallies by the id of the execution that has the budget, and those of days."""

    def __init__(self) -> None:
        self._trees: OrderedDict[str, Tally] = OrderedDict()
        self._days: dict[str, tuple[str, dict[Purse, Tally]]] = {}
        self._batch_trees: dict[str, Tally] = {}
        self._batch_days = SpentInDays()
        self.asked: set[str] = set()
        """Of whose sums the batch depends on: owners of budgets, and workspaces."""

    @property
    def keeps_any(self) -> bool:
        """Whether anything is kept that events of others could change."""
        return bool(self._trees or self._days)

    # Asking.

    def tree(self, owner_id: str) -> Tally | None:
        """What was spent in the tree of a budget; None when it has to be worked out."""
        self.asked.add(owner_id)
        kept = self._trees.get(owner_id)
        more = self._batch_trees.get(owner_id)
        return kept if kept is None or more is None else kept.plus(more)

    def has_day(self, workspace: str, day: str) -> bool:
        """Whether it is known what a workspace spent in a day; if not, it is to be worked out."""
        self.asked.add(workspace)
        kept = self._days.get(workspace)
        return kept is not None and kept[0] == day

    def in_day(self, workspace: str, day: str, purse: Purse) -> Tally:
        """What somebody spent in a day that is known."""
        recorded = self._days[workspace][1].get(purse, Tally())
        return recorded.plus(self._batch_days.by(workspace, day, purse))

    def spenders(self, workspace: str, day: str) -> set[Purse]:
        """Who spent in a day that is known."""
        return {*self._days[workspace][1], *self._batch_days.spenders(workspace, day)}

    # What the log says.

    def put_tree(self, owner_id: str, tally: Tally) -> None:
        """Remember what was worked out from the log."""
        self._trees[owner_id] = tally

    def put_day(self, workspace: str, day: str, sums: dict[Purse, Tally]) -> None:
        """Remember what was worked out from the log."""
        self._days[workspace] = day, sums

    def recorded(self, owner_ids: Sequence[str], tally: Tally) -> bool:
        """Add what was recorded; whether the batch depends on it."""
        kept = [id_ for id_ in owner_ids if id_ in self._trees]
        for owner_id in kept:
            self._trees[owner_id] = self._trees[owner_id].plus(tally)
            self._trees.move_to_end(owner_id)
        return not self.asked.isdisjoint(kept)

    def recorded_in_day(self, spent: SpentToday) -> bool:
        """Add what was recorded; whether the batch depends on it."""
        kept = self._days.get(spent.workspace)
        if kept is None or kept[0] != spent.day:
            return False
        for purse in spent.purses:
            kept[1][purse] = kept[1].get(purse, Tally()).plus(spent.tally)
        return spent.workspace in self.asked

    def forget(self) -> None:
        """Work everything out again when it is needed."""
        self._trees.clear()
        self._days.clear()

    # What the batch at hand spends.

    def begin(self) -> None:
        """Begin a batch: the one before is not recorded, unless it was kept."""
        self._batch_trees, self._batch_days = {}, SpentInDays()
        self.asked = set()
        while len(self._trees) > _MOST_KEPT:
            self._trees.popitem(last=False)

    def add(self, trees: Mapping[str, Tally], days: SpentInDays) -> None:
        """Add what a command spends that was accepted."""
        for owner_id, tally in trees.items():
            self._batch_trees[owner_id] = self._batch_trees.get(owner_id, Tally()).plus(tally)
        self._batch_days.all.extend(days.all)

    def keep(self) -> None:
        """The batch is recorded."""
        for owner_id, tally in self._batch_trees.items():
            self.recorded((owner_id,), tally)
        for spent in self._batch_days.all:
            self.recorded_in_day(spent)
        self.begin()
