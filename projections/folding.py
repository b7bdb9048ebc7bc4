"""Folding one page into one build, also when the projection fails at an event of the page."""

from bisect import bisect_right
from collections.abc import Callable, Set
from operator import itemgetter

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from ledger.events import FRAME_TOPICS
from ledger.mapper import Recorded
from projections import tracking
from projections.builds import Build
from projections.projection import Page

log = structlog.get_logger()

_STORE_FAULTS = (OperationalError, InterfaceError, PoolExhausted, OSError, MemoryError)

_FRAMES = frozenset(FRAME_TOPICS)
_POSITION = itemgetter(Recorded._fields.index("position"))


class Portions:
    """A page, and of it for each projection the part that it folds.

    Most events are frames, which most projections do not fold; they are sorted out once for all.
    So is what a page has none of: of most pages most projections fold nothing.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self._facts = [event for event in page.events if event.topic not in _FRAMES]
        self._topics = {event.topic for event in page.events}

    def of(self, topics: Set[str] | None) -> Page:
        """The page with the events of these topics only; None stands for all."""
        if topics is None:
            return self.page
        if topics.isdisjoint(self._topics):
            return self.page._replace(events=[])
        events = self._facts if topics.isdisjoint(_FRAMES) else self.page.events
        return self.page._replace(events=[event for event in events if event.topic in topics])


def fold(connection: Connection, build: Build, portions: Portions) -> None:
    """Give a projection its part of a page, if there is any. Raises what the projection does."""
    page = portions.of(build.projection.topics)
    if page.events:
        build.projection.apply(connection, page)


def fold_or_park(
    connection: Connection, build: Build, portions: Portions, now: Callable[[], int]
) -> int:
    """Give a page to a projection; the events that it fails at are parked, the others folded.

    The page is halved until the failing event is alone, so the events keep their order.

    Returns:
        How many events were parked.

    Raises:
        Exception: a fault of the store; nothing is wrong with the events. Undo the transaction
            and try again.
    """
    try:
        with connection.begin_nested():
            fold(connection, build, portions)
    except Exception as error:  # whatever a projection may fail with
        if is_store_fault(error):
            raise
        page = portions.page
        if len(page.events) > 1:
            half = len(page.events) // 2
            halves = page.events[:half], page.events[half:]
            return sum(
                fold_or_park(connection, build, Portions(page._replace(events=events)), now)
                for events in halves
            )
        _park(connection, build, page.events[0], error, now())
        return 1
    return 0


def is_store_fault(error: Exception) -> bool:
    """Whether it is not the event's fault: the same page may succeed when the store is back."""
    is_over = isinstance(error, DBAPIError) and error.connection_invalidated
    return is_over or isinstance(error, _STORE_FAULTS)


def _park(connection: Connection, build: Build, event: Recorded, error: Exception, at: int) -> None:
    told = describe(error)
    name = build.projection.name
    log.error(
        "event parked", projection=name, position=event.position, topic=event.topic, error=told
    )
    tracking.park(connection, build.row, event, told, at)


def describe(error: Exception) -> str:
    """An error in one line: without a traceback, whose variables are what users recorded."""
    told, *_ = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {told}"


def until(page: Page, position: int) -> Page:
    """The page without the events after a position."""
    if not page.events or page.events[-1].position <= position:
        return page
    count = bisect_right(page.events, position, key=_POSITION)
    return page._replace(events=page.events[:count])
