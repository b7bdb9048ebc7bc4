"""Times in read models: microseconds since 1970 in UTC; RFC 3339 text on the wire."""

from datetime import UTC, datetime, timedelta

from ledger.clock import parse_time

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_WITHOUT_ZONE = _EPOCH.replace(tzinfo=None)  # much faster to write
_MICROSECOND = timedelta(microseconds=1)


def micros(time: datetime) -> int:
    """Microseconds since 1970 of an aware time."""
    return (time - _EPOCH) // _MICROSECOND


def micros_of(text: str) -> int:
    """Microseconds since 1970 of a time as the ledger writes it.

    Raises:
        ValueError: the text is not a time with a zone.
    """
    return micros(parse_time(text))


def time_of(micros: int) -> datetime:
    """The aware time of so many microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=micros)


def text_of(micros: int | None) -> str | None:
    """RFC 3339 text of so many microseconds since 1970; unset stays None."""
    if micros is None:
        return None
    time = _EPOCH_WITHOUT_ZONE + timedelta(microseconds=micros)
    return time.isoformat(timespec="microseconds") + "Z"
