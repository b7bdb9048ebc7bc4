"""One projection on its way along the log, as the catch-up loop sees it."""

from collections.abc import Collection, Iterator
from itertools import groupby
from typing import Literal, NamedTuple

from projections import builds, tracking
from projections.builds import Build
from projections.projection import Projection
from projections.store import ViewStore
from projections.tracking import Tracked

ATTEMPTS = 3
"""How often a page is tried before the event that a projection fails at is sought and parked."""

State = Literal["catching_up", "following", "degraded", "stalled"]


class Progress(NamedTuple):
    """How a projection is doing.

    Attributes:
        name: of the projection.
        version: of the projection.
        state: catching_up on what was recorded before the start; following; degraded, since events
            are parked; stalled, since the database fails.
        position: the last one scanned.
        lag_events: how many events it is behind.
        lag_seconds: the age of the oldest event it does not contain; 0 when there is none.
        parked: how many events it could not take.
        error: the last one, None when all is well.
        leads: whether it is folded by this process; whoever does not lead knows of no error.
    """

    name: str
    version: int
    state: State
    position: int
    lag_events: int
    lag_seconds: float
    parked: int
    error: str | None
    leads: bool


class Follower:
    """A projection's live build, and what went wrong with it lately."""

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self.build: Build
        self.parked = 0
        self.attempts = 0
        self.fault: str | None = None
        self.caught_up = False

    @property
    def name(self) -> str:
        """Of the projection."""
        return self.projection.name

    @property
    def position(self) -> int:
        """The last one scanned."""
        return self.build.row.position

    @property
    def state(self) -> State:
        """In one word."""
        if self.fault is not None:
            return "stalled"
        if self.parked or self.attempts:
            return "degraded"
        return "following" if self.caught_up else "catching_up"

    def begin(self, build: Build, parked: int) -> None:
        """How the live build was found; whatever went wrong before is over."""
        self.build, self.parked = build, parked
        self.attempts, self.fault = 0, None

    def see(self, row: Tracked, parked: int, *, led: bool) -> None:
        """How the live build is according to the database; whoever leads knows what went wrong."""
        if not led or row.build != self.build.row.build:
            self.attempts, self.fault = 0, None
        self.build, self.parked = Build(self.projection, row), parked

    def succeeded(self, build: Build, parked: int) -> None:
        """A page was saved."""
        self.build = build
        self.parked += parked
        self.attempts = 0
        self.fault = None

    def failed(self, fault: str | None) -> None:
        """A page could not be folded: for a fault of the database, or for what is in the page."""
        self.fault = fault
        self.attempts += fault is None


Group = tuple[Follower, ...]


def load(store: ViewStore, followers: Collection[Follower]) -> None:
    """Look up how far the live builds are; those that are missing are made."""
    found = builds.live(store, [each.projection for each in followers])
    with store.reading() as connection:
        parked = {row[:3]: count for row, count in tracking.live_builds(connection)}
    for follower, build in zip(followers, found, strict=True):
        follower.begin(build, parked.get(build.row[:3], 0))


def groups(followers: Collection[Follower]) -> Iterator[Group]:
    """Followers that can share a page, those furthest on first; one in trouble goes alone."""
    ordered = sorted(followers, key=_place)
    for _, group in groupby(ordered, key=_place):
        yield tuple(group)


def _place(follower: Follower) -> tuple[int, str]:
    in_trouble = follower.attempts or follower.fault is not None
    return -follower.position, follower.name if in_trouble else ""
