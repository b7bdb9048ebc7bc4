"""What was measured: spreads over rounds, and rows that hold a figure against floor and goal."""

from collections.abc import Sequence
from statistics import median
from typing import Literal, NamedTuple, Self


class Spread(NamedTuple):
    """What the rounds of one measurement gave."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        return cls(median(values), min(values), max(values))

    def __str__(self) -> str:
        if self.least == self.most:
            return number(self.median)
        return f"{number(self.median)} [{number(self.least)} .. {number(self.most)}]"


class Goal(NamedTuple):
    """What the median should be: of the ratio to the floor, or of the measured value itself."""

    of: Literal["ratio", "ours"]
    bound: Literal["at least", "at most"]
    value: float

    def __str__(self) -> str:
        sign = "≥" if self.bound == "at least" else "≤"
        return f"{self.of} {sign} {self.value:,g}"

    def met(self, row: "Row") -> bool:
        spread = row.ratio if self.of == "ratio" else row.ours
        assert spread is not None
        if self.bound == "at least":
            return spread.median >= self.value
        return spread.median <= self.value


class Row(NamedTuple):
    """A line of the table. `floor` and `ratio` are None where there is nothing to compare with."""

    what: str
    unit: str
    ours: Spread
    floor: Spread | None = None
    ratio: Spread | None = None
    goal: Goal | None = None

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return "met" if self.goal.met(self) else "missed"


def against(
    what: str, unit: str, turns: Sequence[tuple[float, float]], goal: Goal | None = None
) -> Row:
    """A row of rounds, each a turn of the floor and then ours, with the ratio of the two."""
    floor, ours = zip(*turns, strict=True)
    ratios = [mine / least for least, mine in turns]
    return Row(what, unit, Spread.of(ours), Spread.of(floor), Spread.of(ratios), goal)


def alone(what: str, unit: str, ours: Sequence[float], goal: Goal | None = None) -> Row:
    """A row without a floor."""
    return Row(what, unit, Spread.of(ours), goal=goal)


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
