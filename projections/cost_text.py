"""The JSON of a total, written by the database.

Totals of a year are thousands of rows. Making Python's integers of their sums, and JSON of these,
takes longer than all else; so the database writes the text, and the cut that is read as it lies
keeps it. This is the one place that says how a row of totals is shown.
"""

from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Text, literal_column

MEASURES: Final = (
    "executions",
    "calls",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "unpriced_tokens",
)
"""What is shown beside the money."""

MONEY: Final = ("priced_calls", "cost_nano", "cost_rest")
"""What the money is made of."""

_GIGA: Final = 10**9
_WHOLE: Final = f"(cost_nano + cost_rest / {_GIGA})"
"""Nano-dollars; the rests of many calls may come to more than one."""


@lru_cache(maxsize=4)
def shown(money: str = "cost", *, of_calls: bool = False) -> ColumnElement[Any]:
    """The members of a JSON object: what a total adds up to, the money at last.

    It is made of the columns `MEASURES` and `MONEY`, of which none is null, and no money negative;
    in words that both databases read the same. Money is null when there were calls and the price
    of none is known. Its text is exact, and the number has the same digits.

    Args:
        money: what the number is called; the text's name is the same with `_usd`.
        of_calls: calls of an execution are told apart, so that `executions` is null.
    """
    counts = [f"'\"{name}\":' || {_digits(name)}" for name in MEASURES]
    if of_calls:
        counts[0] = "'\"executions\":null'"
    unknown = f'\'"{money}":null,"{money}_usd":null\''
    known = f"'\"{money}\":' || {_USD} || ',\"{money}_usd\":\"' || {_USD} || '\"'"
    is_unknown = "calls > 0 AND priced_calls = 0"
    either = f"CASE WHEN {is_unknown} THEN {unknown} ELSE {known} END"
    return literal_column(" || ',' || ".join((*counts, either)), Text)


def _digits(number: str) -> str:
    return f"CAST({number} AS TEXT)"


def _padded(number: str) -> str:
    """The last nine digits."""
    return f"substr({_digits(f'{_GIGA} + {number} % {_GIGA}')}, 2)"


_EXACT: Final = (
    f"{_digits(f'{_WHOLE} / {_GIGA}')} || '.' || {_padded(_WHOLE)} || {_padded('cost_rest')}"
)
_USD: Final = f"rtrim(rtrim({_EXACT}, '0'), '.')"
"""Dollars, exact, without zeros at the end."""
