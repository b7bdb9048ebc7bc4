"""Waiting for an execution to end, by asking from time to time."""

from dataclasses import dataclass
from time import monotonic

from ledger_client.errors import TimedOut
from ledger_client.models import Execution
from ledger_client.request import Call, Pause, Plan, Task
from ledger_client.retries import Retries


@dataclass(frozen=True, slots=True)
class Wait(Task[Execution]):
    """Ask until the execution is over.

    Attributes:
        call: asks for the execution.
        timeout: seconds after which it is given up; None for never.
        poll_seconds: from one question to the next.
    """

    call: Call[Execution]
    timeout: float | None
    poll_seconds: float

    def plan(self, retries: Retries) -> Plan[Execution]:
        """Ask, pause, ask again. Raises TimedOut, and what asking raises."""
        began = monotonic()
        while True:
            execution = yield from self.call.plan(retries)
            if execution.is_terminal:
                return execution
            left = None if self.timeout is None else began + self.timeout - monotonic()
            if left is not None and left <= 0:
                message = f"execution {execution.id} is still {execution.status}"
                raise TimedOut(message)
            yield Pause(self.poll_seconds if left is None else min(self.poll_seconds, left))
