"""What one may ask of costs: by what, of which executions, of which days, own or inclusive."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Final, NamedTuple

from projections.cost_tables import BY_LABEL, CUTS, HOUR, HOURS, Cut
from projections.errors import InvalidQuery
from projections.filters import NOT_CONDITIONS, Condition, Filters, parse_filters
from projections.labels import METADATA, metadata_name
from projections.times import micros

GROUPS: Final = (
    "agent",
    "version",
    "model",
    "provider",
    "user",
    "session",
    "workspace",
    "status",
    "day",
    "hour",
)
"""What totals can be grouped by, beside `metadata.<key>`."""

OF_CALLS: Final = frozenset({"model", "provider"})
"""What tells apart the calls of one execution."""

_DIMENSION_OF: Final = {
    "agent_id": "agent",
    "agent_version_id": "version",
    "user_id": "user",
    "status": "status",
    "model": "model",
}
"""The filters that a cut may answer."""


class Scope(StrEnum):
    """Whose money stands in a total."""

    OWN = "own"
    """What an execution spent itself, under what it is."""

    INCLUSIVE = "inclusive"
    """What an execution and all below it spent, under what the one at the top is."""


class Period(NamedTuple):
    """Whole days in UTC, both ends included; None is without an end."""

    first: date | None = None
    last: date | None = None

    @property
    def days(self) -> tuple[int | None, int | None]:
        """The same, as days since 1970."""
        return _day_of(self.first), _day_of(self.last)


class Question(NamedTuple):
    """What is asked.

    Attributes:
        workspace: whose costs.
        by: what groups are told apart by, in the order of their columns.
        filters: which executions; of inclusive costs those at the top.
        period: when they were created, and calls made.
        scope: own costs or inclusive ones.
    """

    workspace: str
    by: tuple[str, ...]
    filters: Filters = Filters()
    period: Period = Period()
    scope: Scope = Scope.OWN

    @property
    def models(self) -> list[str]:
        """The models whose calls alone are wanted."""
        return [c.value[1] for c in self.filters.conditions if c.name == "model"]

    @property
    def of_runs(self) -> Filters:
        """The filters that are not of calls."""
        others = tuple(c for c in self.filters.conditions if c.name != "model")
        return self.filters._replace(conditions=others)

    @property
    def of_calls(self) -> bool:
        """Whether calls of one execution are told apart, so that it has no place of its own."""
        return bool(self.models) or not OF_CALLS.isdisjoint(self.by)

    @property
    def labels(self) -> set[str]:
        """The keys of metadata that it is about."""
        asked = {c.name for c in self.filters.conditions if c.name.startswith(METADATA)}
        return asked | {label_of(name) for name in self.by if is_label(name)}


def parse_question(workspace: str, parameters: Iterable[tuple[str, str]]) -> Question:
    """Read the parameters of a request: `group_by`, `from`, `to`, `scope`, and filters.

    Raises:
        InvalidQuery: names the parameter that is unknown, given twice or of no meaning.
    """
    given: dict[str, str] = {}
    for name, text in parameters:
        if name in given:
            raise InvalidQuery(name, "given twice")
        given[name] = text
    by = [name.strip() for name in given.pop("group_by", "agent").split(",")]
    period = Period(_date("from", given.pop("from", "")), _date("to", given.pop("to", "")))
    scope = given.pop("scope", "") or Scope.OWN
    if scope not in set(Scope):
        raise InvalidQuery("scope", f"{scope[:40]!r} is none of {', '.join(Scope)}")
    if in_vain := sorted(NOT_CONDITIONS.intersection(given)):
        raise InvalidQuery(in_vain[0], "totals have no pages; they are ordered by their groups")
    filters = parse_filters(given.items(), offered=_OWN)
    return question(workspace, filter(None, by), filters, period, Scope(scope))


_OWN: Final = ("from", "to", "group_by", "scope")
"""What only totals are asked by."""


def _date(name: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidQuery(name, f"{text[:40]!r} is not a day, as 2026-01-31") from None


def question(
    workspace: str,
    group_by: Iterable[str],
    filters: Filters = Filters(),  # noqa: B008 - immutable
    period: Period = Period(),  # noqa: B008 - immutable
    scope: Scope = Scope.OWN,
) -> Question:
    """A question that makes sense.

    Raises:
        InvalidQuery: names what it cannot group by.
    """
    by = tuple(dict.fromkeys(group_by))
    named = f"{', '.join(GROUPS)} and {METADATA}<key>"
    if not by:
        raise InvalidQuery("group_by", f"say by what: {named}")
    for name in by:
        if name not in GROUPS and not is_label(name):
            raise InvalidQuery("group_by", f"{name[:40]!r} is not one of {named}")
    return Question(workspace, by, filters, period, scope)


def is_label(name: str) -> bool:
    """Whether a group is of metadata."""
    return name.startswith(METADATA) and len(name) > len(METADATA)


def label_of(name: str) -> str:
    """The name under which a group of metadata is searched."""
    return metadata_name(name.removeprefix(METADATA))


def cut_for(asked: Question) -> Cut | None:
    """The smallest cut that can answer; None where calls must be added up."""
    labels = asked.labels
    dimensions = {name for name in asked.by if not is_label(name)} - {"workspace", "day"}
    for condition in asked.filters.conditions:
        if condition.name not in labels:
            dimensions.add(dimension_of(condition) or "none")
    if asked.scope is not Scope.OWN or len(labels) > 1 or (labels and dimensions):
        return None
    if labels:
        return BY_LABEL
    cuts = (cut for cut in CUTS if cut is not BY_LABEL and dimensions.issubset(cut.key))
    return next(cuts, None)


def dimension_of(condition: Condition) -> str | None:
    """The dimension of a cut that a filter is about."""
    return _DIMENSION_OF.get(condition.name)


def _day_of(day: date | None) -> int | None:
    if day is None:
        return None
    return micros(datetime.combine(day, time(), UTC)) // (HOUR * HOURS)
