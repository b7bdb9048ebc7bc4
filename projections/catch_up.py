"""The loop that keeps views up with the log, in a thread of its own.

The writer of events wakes it after each commit; once a second it looks by itself, should a wake-up
have been lost, or should another process have written. Of several servers on one database one folds
a view, and the others read how far it is: at once and often while somebody waits for it.
"""

import threading
from collections.abc import Collection, Sequence
from time import perf_counter

import structlog

from ledger.clock import Clock, parse_time, utc_now
from projections import tracking
from projections.bell import FREE, MOVED, WANTED, Bell
from projections.folding import describe
from projections.follower import Follower, Progress
from projections.leases import Terms
from projections.projection import Log, Projection
from projections.rebuild import PAGE_SIZE, Advance, Rebuild
from projections.steps import Steps
from projections.store import ViewStore
from projections.waiters import Waiters

log = structlog.get_logger()

_TERMS = Terms()

_POLL_SECONDS = 1.0
_IMPATIENT_SECONDS = 0.02
_LONGEST_REST = 0.5
_REST_PER_WORK = 30.0


class CatchUp:
    """Keeps projections up with the log, and knows how far they are."""

    def __init__(
        self,
        store: ViewStore,
        projections: Collection[Projection],
        source: Log,
        *,
        clock: Clock = utc_now,
        page_size: int = PAGE_SIZE,
        terms: Terms = _TERMS,
    ) -> None:
        """Make missing tables; nothing is folded before `start` or `turn`.

        Args:
            store: of the views.
            projections: all that this code knows; views of others are dropped in time.
            source: the log.
            clock: the time, for ages.
            page_size: the most events to save in one transaction.
            terms: of the leases by which several servers agree who folds.
        """
        self._store = store
        self._source = source
        self._clock = clock
        self._page_size = page_size
        self._steps = Steps(store, projections, source, clock, page_size, terms)
        self._bell = Bell(store.engine, terms.holder, self._heard)
        self._signal = threading.Condition()
        self._waiters = Waiters(self._hurry)
        self._waiters.moved(self._steps.positions)
        self._head = 0  # the furthest position that we were woken for
        self._calls = 0  # by other servers, and by who waits for them
        self._leads_some = True  # as far as is known
        self._resting = False  # then a commit does not wake the thread, somebody who waits does
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._rebuilding = threading.Lock()

    # Running.

    def start(self) -> None:
        """Follow the log in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="catch-up", daemon=True)
        self._thread.start()
        self._bell.start()

    def stop(self) -> None:
        """Finish the page at hand and stop; another server may go on at once."""
        with self._signal:
            self._stopping = True
            self._signal.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._bell.stop()
        self._steps.leadership.give_up()
        self._bell.ring(FREE)

    def wake(self, position: int) -> None:
        """Tell the loop that the log has grown up to a position. Cheap, and from any thread."""
        with self._signal:
            self._head = max(self._head, position)
            if self._leads_some and not self._resting:
                self._signal.notify_all()

    def turn(self) -> bool:
        """Fold a page for each projection that is led here; returns whether any of them moved."""
        self._steps.leadership.session = self._bell.session
        moved = self._steps.turn()
        self._leads_some = self.led > 0
        self._waiters.moved(self._steps.positions)
        if moved:
            self._bell.ring(MOVED)
        return moved

    # Asking.

    @property
    def led(self) -> int:
        """How many views are folded here, as far as is known."""
        return len(self._steps.led)

    @property
    def leads(self) -> bool:
        """Whether all of them are."""
        return self.led == len(self._steps.followers)

    @property
    def ready(self) -> bool:
        """Whether the views contain everything that was recorded before the start."""
        return self._steps.ready

    def wait_for(self, position: int, timeout: float, *names: str) -> bool:
        """Block this thread until views contain a position.

        Args:
            position: in the log.
            timeout: seconds.
            names: of the projections that matter; without any, all do.

        Returns:
            Whether they do.
        """
        return self._waiters.wait(position, timeout, names)

    async def reached(self, position: int, timeout: float, *names: str) -> bool:  # noqa: ASYNC109 - the answer is a bool, not an exception
        """The same for an asyncio task; any number of tasks may wait."""
        return await self._waiters.reached(position, timeout, names)

    def lacks(self, position: int) -> int:
        """How many events up to a position the view that is least far does not contain."""
        return max(0, position - min(self._steps.positions.values(), default=position))

    def progress(self) -> list[Progress]:
        """How each projection is doing."""
        return [self._progress_of(follower) for follower in self._steps.followers]

    def parked(self) -> Sequence[tracking.Parked]:
        """The events that some projection could not take."""
        with self._store.reading() as connection:
            return tracking.parked(connection)

    # Rebuilding.

    def rebuild(
        self, names: Collection[str] = (), advance: Advance = lambda _position, _end: None
    ) -> None:
        """Build views anew from the log while the old ones go on answering, then swap them in.

        Args:
            names: of the projections; none means all.
            advance: told the position reached and the end of the log.

        Raises:
            KeyError: there is no projection of that name.
        """
        known = {follower.name: follower.projection for follower in self._steps.followers}
        chosen = [known[name] for name in names or known]
        with self._rebuilding:
            rebuild = Rebuild(
                self._store, self._source, chosen, clock=self._clock, page_size=self._page_size
            )
            rebuild.run(advance)
        self.wake(self._head + 1)

    # The loop.

    def _run(self) -> None:
        while not self._stopping:
            seen, began = (self._head, self._calls), perf_counter()
            try:
                moved = self.turn()
            except Exception as error:  # the thread must outlive whatever the disk does
                log.error("catch-up failed; trying again", error=describe(error))  # noqa: TRY400 - a traceback would show what users recorded
                self._wait_for_more(seen, _POLL_SECONDS)
                continue
            if moved:
                self._rest(perf_counter() - began, seen)
            elif not self.leads and len(self._waiters):
                self._bell.ring(WANTED)
                self._wait_for_more(seen, _IMPATIENT_SECONDS)
            else:
                self._wait_for_more(seen, _POLL_SECONDS)

    def _wait_for_more(self, seen: tuple[int, int], most: float) -> None:
        with self._signal:
            self._signal.wait_for(lambda: self._stopping or self._is_called(*seen), most)

    def _is_called(self, head: int, calls: int) -> bool:
        return self._calls > calls or (self._leads_some and self._head > head)

    def _rest(self, worked: float, seen: tuple[int, int]) -> None:
        """Let what is recorded meanwhile become one page, unless there is a backlog or a waiter.

        Under load this leaves most of the interpreter to the writer and the requests.
        """
        _, calls = seen
        with self._signal:
            self._resting = True
            self._signal.wait_for(
                lambda: self._calls > calls or self._may_not_rest(),
                min(_LONGEST_REST, worked * _REST_PER_WORK),
            )
            self._resting = False

    def _may_not_rest(self) -> bool:
        led = [follower.position for follower in self._steps.led]
        behind = self._source.position - min(led, default=self._source.position)
        return self._stopping or len(self._waiters) > 0 or behind >= self._page_size

    def _hurry(self) -> None:
        """Somebody begins to wait."""
        with self._signal:
            self._calls += not self.leads
            self._signal.notify_all()

    def _heard(self, word: str) -> None:
        """Another server says something."""
        if word == FREE:
            self._steps.leadership.doubt()
        is_news = {FREE: True, WANTED: self._leads_some, MOVED: len(self._waiters) > 0}
        if is_news.get(word, False):
            with self._signal:
                self._calls += 1
                self._signal.notify_all()

    def _progress_of(self, follower: Follower) -> Progress:
        position = follower.position
        oldest = self._source.read_log(position, 1)
        seconds = 0.0
        if oldest:
            seconds = (self._clock() - parse_time(oldest[0].at)).total_seconds()
        return Progress(
            name=follower.name,
            version=follower.projection.version,
            state=follower.state,
            position=position,
            lag_events=max(0, self._source.position - position),
            lag_seconds=max(0.0, seconds),
            parked=follower.parked,
            error=follower.fault,
            leads=self._steps.leadership.leads(follower.projection),
        )
