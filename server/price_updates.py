"""Newer price lists, fetched from time to time where an operator asked for it.

A list that cannot be fetched or read changes nothing: prices stay as they were; the log says so.
What was recorded keeps its cost, whatever lists come later.
"""

from genai_prices import UpdatePrices
from genai_prices.data_snapshot import DataSnapshot

from server.settings import Settings


class _Updates(UpdatePrices):
    def fetch(self) -> DataSnapshot | None:
        """The list as it is now. An empty one is broken: it would make every cost unknown."""
        found = super().fetch()
        if found is not None and not found.providers:
            message = "the price list is empty"
            raise ValueError(message)
        return found


def start_updates(settings: Settings) -> UpdatePrices | None:
    """Look for newer prices, in a thread; None where nobody asked for them."""
    if settings.price_list != "updated":
        return None
    updates = _Updates(update_interval=settings.price_list_seconds)
    if settings.price_list_url:
        updates.url = settings.price_list_url
    updates.start()
    return updates
