"""The laws of the write side hold of two ledgers on one database, whichever is given a command.

Neither is told when the other records something: what each remembers is stale as often as can be.
"""

from contextlib import ExitStack
from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis.stateful import rule

from ledger import commands as c
from ledger.errors import LedgerError, NotFound
from ledger.frames import Step
from ledger.unit import Policy
from tests.postgres import fresh_schema
from tests.property import test_budget_laws as budget_laws
from tests.property.test_budget_laws import waves
from tests.property.test_ledger import POLICY, LedgerLaws
from tests.recording import SECONDS, HandClock, Recording


def opened(url: str, clock: HandClock, policy: Policy) -> Recording:
    """A ledger that is not told what others record."""
    open_ = Recording(url, clock, policy)
    open_.ledger._store._listening.close()  # type: ignore[attr-defined] # noqa: SLF001 - on purpose
    open_.ledger._store._listening = None  # type: ignore[attr-defined] # noqa: SLF001 - the same
    return open_


def settle(open_: Recording) -> None:
    """Have a ledger take in what others recorded: nothing is refused on what may be stale."""
    assert isinstance(open_.hand_over(c.Start("nobody", "worker-1")).exception(SECONDS), NotFound)


class SeveralLedgersLaws(LedgerLaws):
    """Two ledgers that take turns."""

    def __init__(self) -> None:
        self.database = ExitStack()
        self.url = self.database.enter_context(fresh_schema())
        super().__init__()
        self.other = self.opened()

    def opened(self) -> Recording:
        return opened(self.url, self.clock, POLICY)

    def teardown(self) -> None:
        self.other.ledger.close()
        super().teardown()
        self.database.close()

    def live_states(self) -> dict[str, bytes]:
        """What it remembers may change with a refusal, for it learns what the other recorded."""
        return {}

    def settle(self) -> None:
        settle(self.open_)

    @rule()
    def turn(self) -> None:
        self.open_, self.other = self.other, self.open_


pytestmark = pytest.mark.timeout(600)  # a broken law takes minutes to show its shortest breach

TestSeveralLedgersLaws = SeveralLedgersLaws.TestCase
TestSeveralLedgersLaws.settings = settings(
    max_examples=max(10, settings().max_examples // 2), stateful_step_count=20
)


@given(waves)
def test_a_budget_that_is_spent_through_either_is_passed_by_one_event_at_most(
    together: list[list[tuple[int, list[Step]]]],
) -> None:
    with fresh_schema() as url:
        clock = HandClock()
        ledgers = [opened(url, clock, budget_laws.POLICY) for _ in range(2)]
        ids = budget_laws.tree_of(ledgers[0])
        for wave in together:
            replies = [
                open_.hand_over(c.Append(ids[place], part))
                for open_, (place, part) in zip(cycle(ledgers), wave, strict=False)
            ]
            refusals = [reply.exception(SECONDS) for reply in replies]
            assert all(each is None or isinstance(each, LedgerError) for each in refusals)
        now, before, failed = budget_laws.spent_before_the_last(ledgers[0], ids)
        for open_ in ledgers:
            settle(open_)
            kept = open_.ledger._writer._memory.spending.tree(ids[0])  # noqa: SLF001 - the law is about this
            assert kept in {None, now}
            open_.ledger.close()

    assert budget_laws.is_beyond(now) == failed
    assert failed or not budget_laws.is_beyond(before)
