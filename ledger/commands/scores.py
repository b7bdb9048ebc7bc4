"""Commands that judge: scores of an execution, and what a score may be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.commands.command import Decision
from ledger.errors import LimitExceeded
from ledger.event import Stamp
from ledger.execution import Execution
from ledger.score_config import ScoreConfig
from ledger.unit import Unit

MOST_SCORES = 10_000


@dataclass(frozen=True, slots=True)
class Score:
    """Judge an execution, or replace an earlier judgement by its id."""

    execution_id: str
    facts: Mapping[str, Any]
    score_id: str | None = None

    def decide(self, unit: Unit) -> Decision:
        """Record `scored`; the decision's subject is the score's id."""
        execution = unit.target(self.execution_id)
        score_id = score_on(execution, unit.stamp, self.facts, self.score_id or unit.new_id())
        return Decision(execution, score_id)


def score_on(execution: Execution, stamp: Stamp, facts: Mapping[str, Any], score_id: str) -> str:
    """Record a score and give back its id. Raises LimitExceeded beyond 10,000 of an execution."""
    if len(execution.scores) >= MOST_SCORES and score_id not in execution.scores:
        message = f"an execution holds at most {MOST_SCORES} scores"
        raise LimitExceeded(message)
    execution.score(stamp, {"score_id": score_id, **facts})
    return score_id


@dataclass(frozen=True, slots=True)
class RemoveScore:
    """Withdraw a judgement."""

    execution_id: str
    score_id: str

    def decide(self, unit: Unit) -> Decision:
        """Record `score_removed`."""
        execution = unit.target(self.execution_id)
        execution.remove_score(unit.stamp, self.score_id)
        return Decision(execution, self.score_id)


@dataclass(frozen=True, slots=True)
class CreateScoreConfig:
    """Make a score configuration."""

    facts: Mapping[str, Any]

    def decide(self, unit: Unit) -> Decision:
        """Record `created`."""
        return Decision(unit.add(ScoreConfig.create(unit.new_id(), unit.stamp, self.facts)))


@dataclass(frozen=True, slots=True)
class ChangeScoreConfig:
    """Change what is given of a score configuration."""

    config_id: str
    facts: Mapping[str, Any]

    def decide(self, unit: Unit) -> Decision:
        """Record `changed`."""
        config = unit.score_config(self.config_id)
        config.change(unit.stamp, self.facts)
        return Decision(config)


@dataclass(frozen=True, slots=True)
class RemoveScoreConfig:
    """Offer a score configuration no more."""

    config_id: str

    def decide(self, unit: Unit) -> Decision:
        """Record `removed`."""
        config = unit.score_config(self.config_id)
        config.remove(unit.stamp)
        return Decision(config)
