"""Totals of costs, grouped by whatever one asks, as they go over the wire: at once or in parts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any, Final

from sqlalchemy import Connection

from projections import cost_sources
from projections.amounts import shown
from projections.cost_questions import Question, Scope
from projections.cost_sources import MEASURES
from projections.cost_tables import HOUR, HOURS
from projections.costs import date_of
from projections.errors import InvalidQuery
from projections.times import time_of

Json = dict[str, Any]

MOST_GROUPS: Final = 10_000
"""In one answer. Row by row there may be any number."""

_AT_ONCE: Final = 1_000


def grouped(connection: Connection, asked: Question, most: int = MOST_GROUPS) -> list[Json]:
    """The rows of totals, ordered by what they are grouped by, which stands in each.

    An execution may call many models, so `executions` is null where calls are told apart. Without
    a value a group is called "".

    Raises:
        InvalidQuery: there would be too many groups.
    """
    statement = cost_sources.totals(asked).limit(most + 1)
    rows = connection.execute(statement).all()
    if len(rows) > most:
        message = f"these are more than {most:,} groups; narrow them down, or ask for CSV"
        raise InvalidQuery("group_by", message)
    return representing(asked)(rows)


def each(connection: Connection, asked: Question) -> Iterator[list[Json]]:
    """The same rows, however many, some at a time; no more than these are kept in memory."""
    streaming = connection.execution_options(stream_results=True, max_row_buffer=_AT_ONCE)
    represent = representing(asked)
    for rows in streaming.execute(cost_sources.totals(asked)).partitions(_AT_ONCE):
        yield represent(rows)


def names_of(asked: Question) -> tuple[str, ...]:
    """What stands in each row, in this order."""
    money = money_of(asked.scope)
    return (*asked.by, *MEASURES, money, f"{money}_usd")


def money_of(scope: Scope) -> str:
    """What the money of a scope is called, so that no row can be taken for one of the other."""
    return "inclusive_cost" if scope is Scope.INCLUSIVE else "cost"


def representing(asked: Question) -> Callable[[Sequence[Sequence[Any]]], list[Json]]:
    """What makes JSON of rows of totals: column by column, since a year by day has thousands."""
    names, first = names_of(asked), len(asked.by)
    times = [(place, _SHOWN[name]) for place, name in enumerate(asked.by) if name in _SHOWN]
    calls = first + MEASURES.index("calls")

    def represent(rows: Sequence[Sequence[Any]]) -> list[Json]:
        if not rows:
            return []
        columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
        for place, show in times:
            columns[place] = map(show, columns[place])
        if asked.of_calls:
            columns[first] = repeat(None, len(rows))
        *columns, priced, nano, rest = columns
        money = [
            shown(n, r) if p else (_UNKNOWN if c else _NOTHING)
            for c, p, n, r in zip(columns[calls], priced, nano, rest, strict=True)
        ]
        columns += zip(*money, strict=True)
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    return represent


_UNKNOWN: Final = (None, None)
_NOTHING: Final = (0.0, "0")


@lru_cache(maxsize=4_096)
def hour_of(hour: int) -> str:
    """An hour since 1970, as the time at which it begins."""
    return f"{date_of(hour // HOURS)}T{time_of(hour * HOUR).hour:02d}:00:00Z"


_SHOWN: Final[dict[str, Callable[[int], str]]] = {"day": date_of, "hour": hour_of}
