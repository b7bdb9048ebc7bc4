"""Exact sums of money where integers have 64 bits: nano-dollars, and what is finer beside them.

Prices are per million tokens, so one call may cost fractions of a nano-dollar. Were each of them
rounded, a total would depend on how the calls are grouped; with the rest in a column of its own,
totals over any groups are the decimal sum. What is finer than 10^-18 dollars is rounded, half to
even; no price of up to twelve decimals per million tokens comes to that.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Any, NamedTuple, Self

from sqlalchemy import BigInteger, Column

from projections import money

_SCALE = 18
_REST = 10**9  # rests in a nano-dollar


class Amount(NamedTuple):
    """Money, or None for both while it is unknown.

    Attributes:
        nano: whole nano-dollars.
        rest: what is left, in 10^-18 dollars; of one amount less than a nano-dollar.
    """

    nano: int | None = None
    rest: int | None = None

    @classmethod
    def of(cls, usd: str | Decimal | None) -> Self:
        """An amount in dollars."""
        return cls() if usd is None else cls(*_parts(usd))

    @classmethod
    def in_row(cls, row: Mapping[Any, Any]) -> Self:
        """The amount, or the sum of amounts, in the columns of a row."""
        nano, rest = row["cost_nano"], row["cost_rest"]
        return cls() if nano is None else cls(int(nano), int(rest))

    def __add__(self, other: "Amount") -> "Amount":  # type: ignore[override] # not a tuple's
        """The sum of what is known."""
        return Amount(money.add(self.nano, other.nano), money.add(self.rest, other.rest))

    @classmethod
    def change(cls, usd: str | Decimal, before: str | Decimal | None) -> Self:
        """What must be added where a model call cost one amount and now costs another."""
        now, was = cls.of(usd), cls.of(before or "0")
        return cls((now.nano or 0) - (was.nano or 0), (now.rest or 0) - (was.rest or 0))

    @property
    def usd(self) -> Decimal | None:
        """In dollars, exact."""
        if self.nano is None or self.rest is None:
            return None
        return Decimal(self.nano * _REST + self.rest).scaleb(-_SCALE)

    @property
    def columns(self) -> dict[str, int | None]:
        """As it stands in a row."""
        return {"cost_nano": self.nano, "cost_rest": self.rest}

    def shown(self, name: str, *, spent: bool = True) -> dict[str, Any]:
        """As it stands on the wire: a number under a name, and exact text beside it.

        Args:
            name: of the number; the text's is the same with `_usd`.
            spent: whether there is anything that costs. If not, nothing is 0 and not unknown.
        """
        if self.nano is None or self.rest is None:
            number, text = (None, None) if spent else (0.0, "0")
        else:
            number, text = shown(self.nano, self.rest)
        return {name: number, f"{name}_usd": text}


@lru_cache(maxsize=4096)
def _parts(usd: str | Decimal) -> tuple[int, int]:
    """Remembered, since several views ask for the cost of a call."""
    finest = Decimal(usd).scaleb(_SCALE).to_integral_value(ROUND_HALF_EVEN)
    return divmod(int(finest), _REST)


def shown(nano: int, rest: int) -> tuple[float, str]:
    """An amount that is known, as a number and as exact text. Without decimals, which cost more."""
    amount, unit, places = (nano * _REST + rest, _REST * _REST, 18) if rest else (nano, _REST, 9)
    whole, parts = divmod(abs(amount), unit)
    text = f"{whole}.{parts:0{places}d}".rstrip("0") if parts else str(whole)
    return amount / unit, f"-{text}" if amount < 0 else text


def amount_columns() -> tuple[Column[int], Column[int]]:
    """The columns of an amount, for a table."""
    return (
        Column("cost_nano", BigInteger, comment="whole nano-dollars; null when unknown"),
        Column("cost_rest", BigInteger, comment="and what is finer, in 10^-18 dollars"),
    )
