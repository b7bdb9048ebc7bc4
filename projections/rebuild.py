"""Rebuilding views from the log while the old ones go on answering."""

from collections.abc import Callable, Collection
from time import sleep

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from ledger.clock import Clock, utc_now
from ledger.store import LOG_PAGE_BYTES
from projections import builds, tracking
from projections.dialect import is_kept_waiting
from projections.folding import Portions, fold_or_park, until
from projections.identities import LogReader
from projections.projection import Log, Page, Projection, dispensable
from projections.store import ViewStore, with_names
from projections.times import micros

Advance = Callable[[int, int], None]
"""Told the position reached and the position of the log's end."""

PAGE_SIZE = 20_000
"""Events folded at once, for what many of them change in one row is then written once."""

_MOST_PAGES = 3
"""Of so many, at most, the events are looked at for one, since most of them may be spared."""

_PAUSE_SECONDS = 0.5


class RebuildAbandoned(Exception):
    """Somebody else began to rebuild one of these views; theirs goes on."""


class Rebuild:
    """One rebuild: new tables beside the live ones, folded from the first event on, swapped in."""

    def __init__(
        self,
        store: ViewStore,
        log: Log,
        projections: Collection[Projection],
        *,
        clock: Clock = utc_now,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._store = store
        self._log = log
        self._reader = LogReader(log)
        self._clock = clock
        self._page_size = page_size
        self._scanned = page_size
        self._sparing = dispensable(projections)
        builds.prepare(store)
        self._builds = builds.begin(store, *projections)
        self._names = builds.names_of_all(self._builds)

    def run(self, advance: Advance) -> None:
        """Fold the whole log, then put the new tables in the place of the old.

        Raises:
            RebuildAbandoned: another rebuild of the same views was begun meanwhile.
        """
        while True:
            end = self._log.position
            page = self._reader.page(self._position, self._scanned, self._sparing)
            self._scanned = self._to_scan(page)
            with self._store.writing(self._names) as connection:
                self._fold(connection, page)
            advance(self._position, max(self._position, self._log.position))
            if self._position >= end:
                break
        self._swap()

    @property
    def _position(self) -> int:
        return self._builds[0].row.position if self._builds else self._log.position

    def _to_scan(self, page: Page) -> int:
        """How many events to look at next: as many as make a page, if that goes on like this one.

        Of its bytes a page has half of what it may have, since one that has more is read again.
        """
        if not page.events:
            return self._page_size
        size = sum(len(event.state) for event in page.events)
        pages = max(len(page.events) / self._page_size, size / (LOG_PAGE_BYTES / 2))
        scanned = page.events[-1].position - self._position
        most = _MOST_PAGES * self._page_size
        return min(most, max(self._page_size, int(scanned / pages)))

    def _fold(self, connection: Connection, page: Page) -> None:
        if not page.events:
            return
        rows = [build.row for build in self._builds]
        if not tracking.advance(connection, rows, self._position, page.events[-1]):
            raise RebuildAbandoned(*(build.projection.name for build in self._builds))
        portions = Portions(page)
        for build in self._builds:
            fold_or_park(connection, build, portions, self._now)
        self._builds = [build.at(page.events[-1]) for build in self._builds]

    def _now(self) -> int:
        return micros(self._clock())

    def _swap(self) -> None:
        """Become live. Never go back: what a view has shown, the view in its place shows too."""
        before = self._builds
        while True:
            try:
                return self._try_to_swap()
            except OperationalError as error:
                if not is_kept_waiting(error):
                    raise
            self._builds = before
            sleep(_PAUSE_SECONDS)  # in which others may read

    def _try_to_swap(self) -> None:
        with self._store.writing(self._names) as connection:
            tracking.hold_still(connection)
            target = self._furthest_live(connection)
            while self._position < target:
                self._fold(connection, until(self._reader.page(self._position, PAGE_SIZE), target))
            with_names(connection, None)
            builds.swap(connection, self._builds)

    def _furthest_live(self, connection: Connection) -> int:
        rows = tracking.tracked(connection)
        if not {build.row for build in self._builds} <= set(rows):
            raise RebuildAbandoned(*(build.projection.name for build in self._builds))
        names = {(build.projection.name, build.projection.version) for build in self._builds}
        live = [row for row in rows if row.live and (row.projection, row.version) in names]
        return max((row.position for row in live), default=0)
