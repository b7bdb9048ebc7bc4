"""Which events of a page a projection looks at."""

from collections.abc import Collection

from ledger.mapper import Recorded
from projections.projection import Page


def of_topics(page: Page, topics: Collection[str]) -> list[Recorded]:
    """The events of some topics, in order. Most events are frames, which hardly anybody wants."""
    return [event for event in page.events if event.topic in topics]
