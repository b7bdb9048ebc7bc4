"""The laws of the write side hold of two ledgers on one database, whichever is given a command.

Neither is told when the other records something: what each remembers is stale as often as can be.
"""

from contextlib import ExitStack
from threading import Event

import pytest
from hypothesis import settings
from hypothesis.stateful import rule

from tests.postgres import fresh_schema
from tests.property.test_ledger import POLICY, LedgerLaws
from tests.recording import SECONDS, Recording


class SeveralLedgersLaws(LedgerLaws):
    """Two ledgers that take turns."""

    def __init__(self) -> None:
        self.database = ExitStack()
        self.url = self.database.enter_context(fresh_schema())
        super().__init__()
        self.other = self.opened()

    def opened(self) -> Recording:
        open_ = Recording(self.url, self.clock, POLICY)
        open_.ledger._store._listening.close()  # type: ignore[attr-defined] # noqa: SLF001 - on purpose
        open_.ledger._store._listening = None  # type: ignore[attr-defined] # noqa: SLF001 - the same
        return open_

    def teardown(self) -> None:
        self.other.ledger.close()
        super().teardown()
        self.database.close()

    def live_states(self) -> dict[str, bytes]:
        """What it remembers may change with a refusal, for it learns what the other recorded."""
        return {}

    def settle(self) -> None:
        ledger, patience = self.open_.ledger, Event()
        ledger._writer._queue.wake()  # noqa: SLF001 - as the listener does
        for _ in range(1_000 * SECONDS):
            if ledger.position == ledger._store.last_position():  # noqa: SLF001 - the law is about this
                return
            patience.wait(0.001)
        pytest.fail("it did not take in what the other recorded")

    @rule()
    def turn(self) -> None:
        self.open_, self.other = self.other, self.open_


pytestmark = pytest.mark.timeout(600)  # a broken law takes minutes to show its shortest breach

TestSeveralLedgersLaws = SeveralLedgersLaws.TestCase
TestSeveralLedgersLaws.settings = settings(
    max_examples=max(10, settings().max_examples // 2), stateful_step_count=20
)
