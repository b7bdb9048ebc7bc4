"""How much one key may ask for: a token bucket per principal."""

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from server.auth import Principal
from server.errors import TooManyRequests

_MOST_BUCKETS = 10_000


class Limiter:
    """Admits so many requests per second and principal, in bursts of twice as many."""

    def __init__(self, per_second: float, clock: Callable[[], float] = monotonic) -> None:
        self._per_second = per_second
        self._burst = max(1.0, 2 * per_second)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admit(self, principal: Principal) -> None:
        """Count a request. Raises TooManyRequests beyond the rate."""
        if not self._per_second:
            return
        now = self._clock()
        tokens, filled_at = self._buckets.pop(principal.actor.id, (self._burst, now))
        tokens = min(self._burst, tokens + (now - filled_at) * self._per_second)
        admitted = tokens >= 1
        self._buckets[principal.actor.id] = (tokens - admitted, now)
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        if not admitted:
            message = f"more than {self._per_second:g} requests per second; wait a moment"
            raise TooManyRequests(message)
