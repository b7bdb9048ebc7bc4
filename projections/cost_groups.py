"""Totals of costs, grouped by whatever one asks, as they go over the wire: at once or in parts."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection

from projections import cost_sources
from projections.amounts import Amount
from projections.cost_questions import Question, Scope
from projections.cost_tables import HOUR, HOURS
from projections.costs import date_of
from projections.errors import InvalidQuery
from projections.times import time_of

Json = dict[str, Any]

MOST_GROUPS: Final = 10_000
"""In one answer. Row by row there may be any number."""

MEASURES: Final = (
    "executions",
    "calls",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "unpriced_tokens",
)
"""What stands in each row beside its groups and the money."""

_AT_ONCE: Final = 1_000
_MONEY: Final = ("priced_calls", "cost_nano", "cost_rest")


def grouped(connection: Connection, asked: Question) -> list[Json]:
    """The rows of totals, ordered by what they are grouped by, which stands in each.

    An execution may call many models, so `executions` is null where calls are told apart. Without
    a value a group is called "".

    Raises:
        InvalidQuery: there would be too many groups.
    """
    statement = cost_sources.totals(asked).limit(MOST_GROUPS + 1)
    rows = connection.execute(statement).all()
    if len(rows) > MOST_GROUPS:
        message = f"these are more than {MOST_GROUPS:,} groups; narrow them down, or ask for CSV"
        raise InvalidQuery("group_by", message)
    represent = representing(asked)
    return [represent(row) for row in rows]


def each(connection: Connection, asked: Question) -> Iterator[list[Json]]:
    """The same rows, however many, some at a time; no more than these are kept in memory."""
    streaming = connection.execution_options(stream_results=True, max_row_buffer=_AT_ONCE)
    represent = representing(asked)
    for rows in streaming.execute(cost_sources.totals(asked)).partitions(_AT_ONCE):
        yield [represent(row) for row in rows]


def names_of(asked: Question) -> tuple[str, ...]:
    """What stands in each row, in this order."""
    money = money_of(asked.scope)
    return (*asked.by, *MEASURES, money, f"{money}_usd")


def money_of(scope: Scope) -> str:
    """What the money of a scope is called, so that no row can be taken for one of the other."""
    return "inclusive_cost" if scope is Scope.INCLUSIVE else "cost"


def representing(asked: Question) -> Callable[[Sequence[Any]], Json]:
    """What makes JSON of a row of totals."""
    shown = [_SHOWN.get(name) for name in asked.by]
    names, first = (*asked.by, *cost_sources.SUMS), len(asked.by)
    times = [(place, show) for place, show in enumerate(shown) if show is not None]
    money, measures = money_of(asked.scope), [names.index(name, first) for name in MEASURES]
    calls = names.index("calls", first)
    priced, nano, rest = (names.index(name, first) for name in _MONEY)

    def represent(row: Sequence[Any]) -> Json:
        known: Json = dict(zip(asked.by, row, strict=False))
        for place, show in times:
            known[asked.by[place]] = show(row[place])
        for name, place in zip(MEASURES, measures, strict=True):
            known[name] = int(row[place])
        if asked.of_calls:
            known["executions"] = None
        spent = Amount(int(row[nano]), int(row[rest])) if row[priced] else Amount()
        return known | spent.shown(money, spent=row[calls] > 0)

    return represent


@lru_cache(maxsize=4_096)
def hour_of(hour: int) -> str:
    """An hour since 1970, as the time at which it begins."""
    return f"{date_of(hour // HOURS)}T{time_of(hour * HOUR).hour:02d}:00:00Z"


_SHOWN: Final[dict[str, Callable[[int], str]]] = {"day": date_of, "hour": hour_of}
