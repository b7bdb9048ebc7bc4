"""What was spent under each run budget so far: kept by the writer, worked out again when it is not.

Only the writer's thread comes here. A tally holds what was accepted, also within the batch at hand;
when a commit fails all of them are forgotten, for the log alone is true.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from ledger.run_budget import Tally

_MOST_KEPT: Final = 20_000


class Spending:
    """Tallies by the id of the execution that has the budget."""

    def __init__(self) -> None:
        self._tallies: OrderedDict[str, Tally] = OrderedDict()

    def get(self, owner_id: str) -> Tally | None:
        """What was spent; None when it has to be worked out."""
        return self._tallies.get(owner_id)

    def put(self, owner_id: str, tally: Tally) -> None:
        """Remember what was worked out from the log."""
        self._tallies[owner_id] = tally

    def add(self, spent: Mapping[str, Tally]) -> None:
        """Add what a command spent that was accepted."""
        for owner_id, tally in spent.items():
            self._tallies[owner_id] = self._tallies[owner_id].plus(tally)
            self._tallies.move_to_end(owner_id)

    def trim(self) -> None:
        """Let go of the longest unused, between two batches."""
        while len(self._tallies) > _MOST_KEPT:
            self._tallies.popitem(last=False)

    def forget(self) -> None:
        """Work everything out again when it is needed."""
        self._tallies.clear()
