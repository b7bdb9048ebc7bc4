"""Totals of costs, grouped by whatever one asks, as they go over the wire: at once or in parts."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection

from ledger.strict_json import decode_stored, encode, written
from projections import cost_sources
from projections.cost_questions import Question
from projections.cost_sources import money_of
from projections.cost_tables import HOUR, HOURS
from projections.cost_text import MEASURES
from projections.costs import date_of
from projections.dialect import fetch
from projections.errors import InvalidQuery
from projections.times import time_of

Json = dict[str, Any]
Rows = Sequence[Sequence[Any]]

MOST_GROUPS: Final = 10_000
"""In one answer. Row by row there may be any number."""

_AT_ONCE: Final = 1_000


def grouped(connection: Connection, asked: Question, most: int = MOST_GROUPS) -> Any:
    """The rows of totals, ordered by what they are grouped by, which stands in each.

    An execution may call many models, so `executions` is null where calls are told apart. Without
    a value a group is called "".

    Returns:
        A list for `encode`, written already.

    Raises:
        InvalidQuery: there would be too many groups.
    """
    rows = [*fetch(connection, cost_sources.totals(asked).limit(most + 1))]
    if len(rows) > most:
        message = f"these are more than {most:,} groups; narrow them down, or ask for CSV"
        raise InvalidQuery("group_by", message)
    for place in reversed(range(len(asked.by))):
        rows.sort(key=itemgetter(place))  # the database would carry the whole rows about
    return written(_writing(asked)(rows))


def each(connection: Connection, asked: Question) -> Iterator[list[Json]]:
    """The same rows, however many, some at a time; no more than these are kept in memory."""
    streaming = {"stream_results": True, "max_row_buffer": _AT_ONCE}
    statement = cost_sources.totals(asked).order_by(*cost_sources.keys(asked))
    write = _writing(asked)
    rows = connection.execute(statement, execution_options=streaming)
    for some in rows.partitions(_AT_ONCE):
        yield decode_stored(write(some))


def names_of(asked: Question) -> tuple[str, ...]:
    """What stands in each row, in this order."""
    money = money_of(asked.scope)
    return (*asked.by, *MEASURES, money, f"{money}_usd")


def _writing(asked: Question) -> Callable[[Rows], bytes]:
    """What makes a JSON list of rows of totals: column by column, since there are thousands."""
    names = [_text(name).replace("%", "%%") for name in asked.by]
    one = f"{{{','.join(f'{name}:%s' for name in names)},%s}}"
    texts = [_TEXTS.get(name, _text) for name in asked.by]

    def write(rows: Rows) -> bytes:
        *by, shown = zip(*rows, strict=True) if rows else [()] * (len(texts) + 1)
        keys = (map(text, values) for text, values in zip(texts, by, strict=True))
        return f"[{','.join(map(one.__mod__, zip(*keys, shown, strict=True)))}]".encode()

    return write


@lru_cache(maxsize=4_096)
def _text(value: str) -> str:
    return encode(value).decode()


@lru_cache(maxsize=4_096)
def _day(day: int) -> str:
    return f'"{date_of(day)}"'


@lru_cache(maxsize=4_096)
def _hour(hour: int) -> str:
    return f'"{date_of(hour // HOURS)}T{time_of(hour * HOUR).hour:02d}:00:00Z"'


_TEXTS: Final[dict[str, Callable[[Any], str]]] = {"day": _day, "hour": _hour}
