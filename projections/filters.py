"""The questions that a list of executions may be asked: one table, one row per question.

Each row says how a value is read and what it means: as a condition in SQL and as the same predicate
in Python, which a law holds against each other.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement

from ledger.clock import parse_time
from ledger.status import Status
from projections.errors import InvalidQuery
from projections.execution_json import FIELDS
from projections.execution_rows import Row
from projections.execution_tables import executions
from projections.labels import METADATA, MODEL, labels_of, metadata_name, searchable
from projections.money import nanos_of
from projections.pages import PageRequest
from projections.times import micros

_ALIASES = {"waiting_approval": Status.AWAITING_APPROVAL}
_MOST_DIGITS = 18
_INTEGER = re.compile(rf"-?\d{{1,{_MOST_DIGITS}}}", re.ASCII)
_MOST_DOLLARS = Decimal(10**9)


class Filter(NamedTuple):
    """A question.

    Attributes:
        parse: text to value. Raises ValueError with what would do.
        sql: value to a condition on `executions`; None for a label, which is joined.
        holds: whether a row satisfies it.
    """

    parse: Callable[[str], Any]
    sql: Callable[[Any], ColumnElement[bool]] | None
    holds: Callable[[Row, Any], bool]


class Condition(NamedTuple):
    """A question that was asked."""

    name: str
    filter: Filter
    value: Any

    def holds(self, row: Row) -> bool:
        """Whether a row satisfies it. The row needs its payloads for metadata."""
        return self.filter.holds(row, self.value)


class Filters(NamedTuple):
    """What is asked of a list: which rows, in which order, which page, which fields."""

    conditions: tuple[Condition, ...] = ()
    sort: str = "-created_at"
    page: PageRequest = PageRequest()
    fields: frozenset[str] | None = None

    def hold(self, row: Row) -> bool:
        """Whether a row is in the list."""
        return all(condition.holds(row) for condition in self.conditions)


NOT_CONDITIONS: Final = frozenset({"page", "limit", "cursor", "sort", "fields"})
"""Parameters of a list that say nothing of what is in it."""


def parse_filters(
    parameters: Iterable[tuple[str, str]], offered: Iterable[str] = NOT_CONDITIONS
) -> Filters:
    """Read the parameters of a request.

    A parameter without a value does not count, except `metadata.<key>=`, which asks for the empty
    text. Conditions must all hold, also two of the same name.

    Args:
        parameters: names and texts.
        offered: what is told, beside the conditions, to whoever gives a parameter that is unknown.

    Raises:
        InvalidQuery: names the parameter that is unknown or has no meaning.
    """
    given = [(name, text) for name, text in parameters if text or name.startswith(METADATA)]
    special = {name: text for name, text in given if name in NOT_CONDITIONS}
    return Filters(
        conditions=tuple(
            _condition(name, text, offered) for name, text in given if name not in NOT_CONDITIONS
        ),
        sort=_parsed("sort", _sort, special.get("sort", "-created_at")),
        page=PageRequest.of(special.get("page"), special.get("limit"), special.get("cursor")),
        fields=_parsed("fields", _fields, special["fields"]) if "fields" in special else None,
    )


def _condition(name: str, text: str, offered: Iterable[str]) -> Condition:
    if name.startswith(METADATA):
        label = metadata_name(_parsed("metadata", _text, name.removeprefix(METADATA)))
        return Condition(label, METADATA_FILTER, (label, _parsed(name, _label_value, text)))
    if name not in FILTERS:
        known = ", ".join([*FILTERS, METADATA + "<key>", *sorted(offered)])
        raise InvalidQuery(name, f"there is no such filter; there are {known}")
    return Condition(name, FILTERS[name], _parsed(name, FILTERS[name].parse, text))


def _parsed(name: str, parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise InvalidQuery(name, str(error)) from None


# Reading values.


def _statuses(text: str) -> tuple[str, ...]:
    words = [word.strip() for word in text.split(",")]
    statuses = [_ALIASES.get(word, word) for word in words if word]
    unknown = [status for status in statuses if status not in set(Status)]
    if unknown or not statuses:
        message = f"{unknown[0] if unknown else text!r} is none of {', '.join(Status)}"
        raise ValueError(message)
    return tuple(str(status) for status in statuses)


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        message = "this is not Unicode text"
        raise ValueError(message) from None
    return text


def _word(text: str) -> str:
    if "\0" in text:
        message = "there is a NUL in it"
        raise ValueError(message)
    return _text(text)


def _label_value(text: str) -> str:
    return searchable(_text(text))


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        message = f"{text[:40]!r} is not a whole number of at most {_MOST_DIGITS} digits"
        raise ValueError(message)
    return int(text)


def _money(text: str) -> int | None:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not (amount.is_finite() and abs(amount) <= _MOST_DOLLARS):
        message = f"{text[:40]!r} is not an amount in US dollars"
        raise ValueError(message)
    return nanos_of(amount)


def _time(text: str) -> int:
    try:
        if len(text) == len("2026-01-31"):
            return micros(datetime.combine(date.fromisoformat(text), time(), UTC))
        return micros(parse_time(text))
    except (ValueError, OverflowError):
        message = f"{text[:40]!r} is not a date or a time with its zone, 2026-01-31T23:59:59Z"
        raise ValueError(message) from None


def _sort(text: str) -> str:
    if text.removeprefix("-") not in SORTS:
        message = f"{text[:40]!r} is none of {', '.join(SORTS)}, nor one of these with - before it"
        raise ValueError(message)
    return text


def _fields(text: str) -> frozenset[str]:
    fields = frozenset(word.strip() for word in text.split(",") if word.strip())
    if unknown := sorted(fields - set(FIELDS)):
        message = f"{unknown[0]!r} is none of {', '.join(FIELDS)}"
        raise ValueError(message)
    return fields


# The kinds of question.


def _equal(column: str) -> Filter:
    return Filter(
        _word,
        lambda value: executions.c[column] == value,
        lambda row, value: bool(row[column] == value),
    )


def _one_of(column: str, parse: Callable[[str], Any]) -> Filter:
    return Filter(
        parse,
        executions.c[column].in_,
        lambda row, values: row[column] in values,
    )


def _at_least(column: str, parse: Callable[[str], Any]) -> Filter:
    return Filter(
        parse,
        lambda value: executions.c[column] >= value,
        lambda row, value: row[column] is not None and bool(row[column] >= value),
    )


def _at_most(column: str, parse: Callable[[str], Any]) -> Filter:
    return Filter(
        parse,
        lambda value: executions.c[column] <= value,
        lambda row, value: row[column] is not None and bool(row[column] <= value),
    )


def _before(column: str) -> Filter:
    return Filter(
        _time,
        lambda value: executions.c[column] < value,
        lambda row, value: row[column] is not None and bool(row[column] < value),
    )


def _label(row: Row, label: tuple[str, str]) -> bool:
    return label in set(labels_of(row["models"], row["metadata"]))


METADATA_FILTER: Final = Filter(_label_value, None, _label)
"""Of `metadata.<key>`; the value of its condition is a label, a pair of name and text."""

FILTERS: Final[Mapping[str, Filter]] = {
    "status": _one_of("status", _statuses),
    "agent_id": _equal("agent_id"),
    "agent_version_id": _equal("agent_version_id"),
    "session_id": _equal("session_id"),
    "user_id": _equal("user_id"),
    "parent_id": _equal("parent_id"),
    "root_id": _equal("root_id"),
    "trace_id": _equal("trace_id"),
    "model": Filter(lambda text: (MODEL, _label_value(text)), None, _label),
    "error_code": _equal("error_code"),
    "created_after": _at_least("created_at", _time),
    "created_before": _before("created_at"),
    "completed_after": _at_least("completed_at", _time),
    "completed_before": _before("completed_at"),
    "min_cost": _at_least("cost", _money),
    "max_cost": _at_most("cost", _money),
    "min_duration_ms": _at_least("duration_ms", _integer),
    "max_duration_ms": _at_most("duration_ms", _integer),
    "min_tokens": _at_least("total_tokens", _integer),
    "max_tokens": _at_most("total_tokens", _integer),
}
"""Every question but `metadata.<key>`. Bounds are inclusive, except that "before" is before."""

SORTS: Final = ("created_at", "completed_at", "cost", "duration_ms", "total_tokens")
"""What a list can be sorted by; a minus before it is descending."""
