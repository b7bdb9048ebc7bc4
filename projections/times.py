"""Times in read models: microseconds since 1970 in UTC; RFC 3339 text on the wire."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from ledger.clock import parse_time

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_IN_AN_HOUR = tuple(f"{second // 60:02}:{second % 60:02}" for second in range(3600))


def micros(time: datetime) -> int:
    """Microseconds since 1970 of an aware time."""
    return (time - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=16_384)
def micros_of(text: str) -> int:
    """Microseconds since 1970 of a time as the ledger writes it.

    Remembered, since what was recorded at once has one time, and every view asks for it: those of
    a page when the view before has asked for all of them.

    Raises:
        ValueError: the text is not a time with a zone.
    """
    return micros(parse_time(text))


def time_of(micros: int) -> datetime:
    """The aware time of so many microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=micros)


@lru_cache(maxsize=4096)
def text_of(micros: int | None) -> str | None:
    """RFC 3339 text of so many microseconds since 1970; unset stays None."""
    if micros is None:
        return None
    seconds, microseconds = divmod(micros, 1_000_000)
    hours, seconds = divmod(seconds, 3600)
    return f"{_hour(hours)}{_IN_AN_HOUR[seconds]}.{microseconds:06}Z"


@lru_cache(maxsize=1024)
def _hour(hours: int) -> str:
    """The text of a time as far as its hour; the times of a page are of few hours."""
    return (_EPOCH + timedelta(hours=hours)).isoformat()[: len("2026-01-31T23:")]
