"""Time as the ledger writes it: UTC, RFC 3339, always six digits of a second."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from time import monotonic
from typing import NamedTuple

Clock = Callable[[], datetime]

TIME_LENGTH = 27  # len("2026-01-31T23:59:59.123456Z")


def utc_now() -> datetime:
    """The time of the server's clock, in UTC."""
    return datetime.now(UTC)


class Clocks(NamedTuple):
    """What tells a server the time.

    Attributes:
        wall: the time that is recorded.
        monotonic: seconds that only grow, for what is over after some of them.
    """

    wall: Clock = utc_now
    monotonic: Callable[[], float] = monotonic


CLOCKS = Clocks()
"""The machine's."""


@lru_cache(maxsize=256)
def format_time(time: datetime) -> str:
    """Write an aware time as RFC 3339 in UTC, for example 2026-01-31T23:59:59.000000Z.

    A batch of commands shares one time, so most calls are for the time of the call before.
    """
    return time.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def parse_time(text: str) -> datetime:
    """Read what `format_time` wrote.

    Raises:
        ValueError: the text is not a time with a zone.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        message = f"{text!r} has no time zone"
        raise ValueError(message)
    return time.astimezone(UTC)


class SteadyClock:
    """A clock that stands still where the given one would go back.

    The order of the log and the order of its times must agree, or a replay at the recorded pace
    and "everything before noon" would contradict the sequence.
    """

    def __init__(self, clock: Clock, floor: datetime) -> None:
        """`floor` is the last time recorded."""
        self._clock = clock
        self._last = floor

    def __call__(self) -> datetime:
        """The time, no earlier than it was told before."""
        self._last = max(self._last, self._clock())
        return self._last

    def not_before(self, time: datetime) -> None:
        """Tell no time before one that others recorded."""
        self._last = max(self._last, time)
