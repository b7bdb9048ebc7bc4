"""When a request is sent again, and after how long."""

import random
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from ledger_client.errors import ApiError, ConnectionFailed

PASSING: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Statuses that say: not now."""

_FIRST = 0.25
_LONGEST = 8.0
_LONGEST_ASKED = 60.0


@dataclass(frozen=True, slots=True)
class Retries:
    """How often, at most."""

    most: int

    def pause(self, error: ApiError | ConnectionFailed, failures: int) -> float | None:
        """Seconds to wait before the next try; None when there is none to be.

        Args:
            error: how the last try failed.
            failures: how many tries failed before it.
        """
        if failures >= self.most or not may_pass(error):
            return None
        asked = error.retry_after if isinstance(error, ApiError) else None
        return backoff(failures) if asked is None else min(asked, _LONGEST_ASKED)


def may_pass(error: ApiError | ConnectionFailed) -> bool:
    """Whether the same request may succeed later."""
    return isinstance(error, ConnectionFailed) or error.status in PASSING


def backoff(failures: int, first: float = _FIRST, longest: float = _LONGEST) -> float:
    """Seconds that double with each failure, up to the longest, of which half are by chance."""
    most = min(longest, first * float(2 ** min(failures, 30)))
    return most / 2 + random.uniform(0, most / 2)  # noqa: S311  spreads load, hides nothing
