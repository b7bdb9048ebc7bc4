"""Money in read models: integers of nano-dollars, so that sums are exact on every store."""

from decimal import ROUND_HALF_EVEN, Decimal

_NANOS = Decimal(1_000_000_000)
_ONE = Decimal(1)


def nanos_of(usd: str | Decimal | None) -> int | None:
    """Nano-dollars of an amount in dollars, rounded half to even; unknown stays None."""
    if usd is None:
        return None
    return int((Decimal(usd) * _NANOS).quantize(_ONE, ROUND_HALF_EVEN))


def usd_text(nanos: int | None) -> str | None:
    """The exact decimal text of so many nano-dollars, without trailing zeros."""
    return None if nanos is None else decimal_text(Decimal(nanos) / _NANOS)


def decimal_text(amount: Decimal) -> str:
    """An amount as plain digits: no exponent, no trailing zeros, no sign on zero."""
    text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def add(left: int | None, right: int | None) -> int | None:
    """The sum of what is known; None when neither is."""
    if left is None or right is None:
        return right if left is None else left
    return left + right
