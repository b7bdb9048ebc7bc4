"""Field types for what comes from outside: times, short texts, numbers, with their bounds."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from jiter import LosslessFloat
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)


def _exact(value: Any) -> Any:
    return Decimal(str(value)) if isinstance(value, LosslessFloat) else value


def _float(value: Any) -> Any:
    return float(value) if isinstance(value, LosslessFloat) else value


def _to_utc(time: datetime) -> datetime:
    return time.astimezone(UTC)


Time = Annotated[AwareDatetime, Field(ge=_EARLIEST, le=_LATEST), AfterValidator(_to_utc)]
"""A time with a zone, from 1970 to 9000."""

Word = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A short text without control characters: names, ids of other systems."""

Name = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=200, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]+$"
    ),
]
"""A short text that is not empty."""

Money = Annotated[
    Decimal,
    BeforeValidator(_exact),
    Field(ge=0, le=10**9, decimal_places=12, allow_inf_nan=False),
]
"""US dollars, exact, as a string or a number."""

Count = Annotated[int, Field(ge=0, le=2**53)]
"""A number of things, as every JSON reader can hold it."""

Number = Annotated[float, BeforeValidator(_float), Field(allow_inf_nan=False)]
"""A finite number."""
