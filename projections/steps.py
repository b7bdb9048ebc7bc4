"""One step of catching up: read a page, fold it, save rows and position in one transaction.

Projections at the same position share a page. One that fails is set apart, so that it holds up
nobody else: at the third failure the event that it fails at is parked.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import structlog
from sqlalchemy import Connection

from ledger.clock import Clock
from projections import builds, tracking
from projections.folding import Portions, describe, fold, fold_or_park, is_store_fault, until
from projections.follower import ATTEMPTS, Follower, Group, groups, load
from projections.identities import LogReader
from projections.leases import Terms, leadership
from projections.projection import Log, Page, Projection, dispensable
from projections.store import ViewStore
from projections.times import micros

log = structlog.get_logger()
_TERMS = Terms()


class _Overtaken(Exception):
    """Somebody else moved or replaced a build that this page was for."""


class _FoldFailed(Exception):
    """A projection failed at a page; its error is the cause."""

    def __init__(self, follower: Follower, error: Exception) -> None:
        super().__init__(follower.name)
        self.follower = follower
        self.error = error


class Steps:
    """Moves projections along the log; for one thread."""

    def __init__(
        self,
        store: ViewStore,
        projections: Collection[Projection],
        source: Log,
        clock: Clock,
        page_size: int,
        terms: Terms = _TERMS,
    ) -> None:
        self.followers = [Follower(projection) for projection in projections]
        self.leadership = leadership(store, projections, terms)
        self._store = store
        self._source = source
        self._reader = LogReader(source)
        self._clock = clock
        self._page_size = page_size
        self.goal = source.position
        self._others_left = True  # builds of other versions, as far as is known
        builds.prepare(store)
        load(store, self.followers)
        for follower in self.followers:
            self._refuse_other_log(follower)
            self._note_goal(follower)

    @property
    def positions(self) -> Mapping[str, int]:
        """How far each projection is."""
        return {follower.name: follower.position for follower in self.followers}

    @property
    def ready(self) -> bool:
        """Whether all that was recorded before the start is folded."""
        return all(follower.caught_up for follower in self.followers)

    @property
    def led(self) -> list[Follower]:
        """The projections that are folded here."""
        return [each for each in self.followers if self.leadership.leads(each.projection)]

    def turn(self) -> bool:
        """Fold one page for each group of projections that are led here; look how the others are.

        Returns:
            Whether anything was folded, or failed in a way that is worth another try at once.
        """
        moved = False
        was_ready = self.ready
        asked = self.leadership.ask()
        led = self.led
        if asked or len(led) < len(self.followers):
            self._look()
        ahead: int | None = None
        for group in list(groups(led)):
            moved |= self._advance(group, ahead)
            ahead = group[0].position
        if self.ready and self._others_left and (asked or not was_ready):
            self._drop_others()
        return moved

    def _look(self) -> None:
        """See how far each view is by what the database says, whoever moved or replaced it."""
        with self._store.reading() as connection:
            live = {row[:2]: (row, parked) for row, parked in tracking.live_builds(connection)}
        for follower in self.followers:
            projection = follower.projection
            found = live.get((projection.name, projection.version))
            if found is None:
                load(self._store, [follower])
            else:
                follower.see(*found, led=self.leadership.leads(projection))
            self._note_goal(follower)

    def _advance(self, group: Group, ahead: int | None) -> bool:
        """Fold one page for a group; it stops where the group ahead stands, so that they meet."""
        alone = ahead is None and not self.ready  # a backlog, of which every page is folded whole
        sparing = dispensable([follower.projection for follower in group]) if alone else ()
        page = self._reader.page(group[0].position, self._page_size, sparing)
        if ahead is not None:
            page = until(page, ahead)
        if not page.events:
            return False
        try:
            self._save(group, page)
        except _Overtaken:
            self.leadership.doubt()
            load(self._store, group)
        except _FoldFailed as failure:
            return _set_apart(failure) or len(group) > 1
        for follower in group:
            self._note_goal(follower)
        return True

    def _save(self, group: Group, page: Page) -> None:
        rows = [follower.build.row for follower in group]
        fence = self.leadership.fence([follower.projection for follower in group])
        with _noting_faults(group), self._store.writing() as connection:
            if not tracking.advance(connection, rows, group[0].position, page.events[-1], fence):
                raise _Overtaken
            portions = Portions(page)
            parked = [self._fold(connection, follower, portions) for follower in group]
        for follower, count in zip(group, parked, strict=True):
            follower.succeeded(follower.build.at(page.events[-1]), count)

    def _fold(self, connection: Connection, follower: Follower, portions: Portions) -> int:
        try:
            if follower.attempts >= ATTEMPTS:
                return fold_or_park(connection, follower.build, portions, self._now)
            fold(connection, follower.build, portions)
        except Exception as error:
            raise _FoldFailed(follower, error) from error
        return 0

    def _now(self) -> int:
        return micros(self._clock())

    def _note_goal(self, follower: Follower) -> None:
        follower.caught_up = follower.caught_up or follower.position >= self.goal

    def _refuse_other_log(self, follower: Follower) -> None:
        """Begin again if the view was built from another log than this: a backup, another file."""
        row = follower.build.row
        here = self._source.read_log(row.position - 1, 1) if row.position else ()
        marks = [tracking.mark_of(event) for event in here if event.position == row.position]
        if row.position and marks != [row.mark]:
            log.warning("view is not of this log; building it anew", projection=follower.name)
            builds.reset(self._store, follower.build)
            load(self._store, [follower])

    def _drop_others(self) -> None:
        projections = [follower.projection for follower in self.followers]
        dropped, left = builds.drop_others(self._store, projections, self.leadership)
        self._others_left = bool(left)
        for name in dropped:
            log.info("dropped a view that this code does not know", view=name)


@contextmanager
def _noting_faults(group: Group) -> Iterator[None]:
    """While the database does not save a page, all that share it stand."""
    try:
        yield
    except Exception as error:
        if is_store_fault(error):
            for follower in group:
                follower.failed(describe(error))
        raise


def _set_apart(failure: _FoldFailed) -> bool:
    """Note a failure; returns whether trying again at once makes sense."""
    follower, error = failure.follower, failure.error
    by_store = is_store_fault(error)
    if by_store and follower.fault is None:
        log.error("projection stalled", projection=follower.name, error=describe(error))
    follower.failed(describe(error) if by_store else None)
    return not by_store
