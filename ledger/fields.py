"""Field types for what comes from outside: times, short texts, numbers, with their bounds."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from jiter import LosslessFloat
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"\d{4}-", re.ASCII)


def _exact(value: Any) -> Any:
    return Decimal(str(value)) if isinstance(value, LosslessFloat) else value


def _float(value: Any) -> Any:
    return float(value) if isinstance(value, LosslessFloat) else value


def _text_only(value: Any) -> Any:
    """Refuse a number, also in quotes: nobody can tell seconds from milliseconds."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE.match(value)):
        return value
    message = "a time is text as in RFC 3339, 2026-01-31T23:59:59Z"
    raise ValueError(message)


def _to_utc(time: datetime) -> datetime:
    if not _EARLIEST <= time <= _LATEST:
        message = f"a time is from {_EARLIEST.year} to {_LATEST.year}"
        raise ValueError(message)
    return time.astimezone(UTC)


Time = Annotated[
    AwareDatetime,
    BeforeValidator(_text_only),
    AfterValidator(_to_utc),
]
"""A time with a zone, from 1970 to 9000."""

WITHOUT_CONTROL: Final = r"^[^\x00-\x1f\x7f]*$"
"""The pattern of a text without control characters."""

Word = Annotated[str, StringConstraints(max_length=200, pattern=WITHOUT_CONTROL)]
"""A short text without control characters: names, ids of other systems."""

Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=WITHOUT_CONTROL),
]
"""A short text that is not empty."""

Money = Annotated[
    Decimal,
    BeforeValidator(_exact),
    Field(ge=0, le=10**9, decimal_places=12, allow_inf_nan=False),
]
"""US dollars, exact, as a string or a number."""

Count = Annotated[int, Field(ge=0, le=2**53, strict=True)]
"""A number of things, as every JSON reader can hold it; neither text nor a truth value."""

Number = Annotated[float, BeforeValidator(_float), Field(allow_inf_nan=False)]
"""A finite number."""
