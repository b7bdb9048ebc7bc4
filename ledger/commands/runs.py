"""Recording a whole run in one command: one durable append, or nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ledger import events as e
from ledger.commands.command import Decision
from ledger.commands.creation import CreateExecution
from ledger.commands.execution import append_steps
from ledger.commands.scores import score_on
from ledger.execution import Execution
from ledger.frames import Step
from ledger.unit import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRun:
    """A run that is over: how it began, what it streamed, how it ended, what it was worth.

    Times are those of the caller and stand beside the ledger's own; None means now.
    """

    create: CreateExecution
    steps: Sequence[Step] = ()
    output: e.Json | None = None
    error: str | None = None
    error_code: e.Cause = "error"
    scores: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    started_at: datetime | None = None
    completed_at: datetime | None = None

    def decide(self, unit: Unit) -> Decision:
        """Record everything from `created` to the end."""
        execution = self.create.decide(unit).aggregate
        assert isinstance(execution, Execution)
        execution.start(unit.stamp, "recorder", self.started_at or self.create.occurred_at)
        append_steps(execution, unit, self.steps)
        if self.error is None:
            execution.complete(unit.stamp, self.output or {}, self.completed_at)
        else:
            facts = {"error": self.error, "error_code": self.error_code}
            execution.fail(unit.stamp, {**facts, "occurred_at": self.completed_at})
        for score in self.scores:
            score_on(execution, unit.stamp, score, unit.new_id())
        return Decision(execution)
