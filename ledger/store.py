"""What the ledger asks of an event store, whichever database keeps it."""

from collections.abc import Callable, Collection, Sequence
from typing import Final, Literal, Protocol

from ledger.errors import Unavailable
from ledger.event import Storable
from ledger.mapper import Recorded

Durability = Literal["full", "normal"]

PAGE_BYTES: Final = 256 * 1024
"""Where a page of one aggregate's events stops, so that a reader costs the same memory always."""

LOG_PAGE_BYTES: Final = 16 * 1024 * 1024
"""Where a page of the whole log stops."""

NO_END: Final = 2**62
"""A version, or a position, that nothing is beyond."""


class OutcomeUnknown(Unavailable):
    """The database went away during a commit, and stayed away: it may have been recorded."""

    code = "outcome_unknown"

    def __init__(self) -> None:
        super().__init__(
            "the database went away during the commit; what was asked for may have been recorded, "
            "so look before you ask again, or repeat the request with its Idempotency-Key"
        )


class Author(Protocol):
    """Who inserts where others insert too, and decides on what they inserted."""

    @property
    def position(self) -> int:
        """Of the last event that the author has taken in."""

    def take_in(self, news: Sequence[Recorded]) -> None:
        """Events that others inserted after that, in order."""

    def revise(self) -> Sequence[Storable]:
        """What is to be inserted now that they were taken in."""


class Store(Protocol):
    """Stored events: inserted by one thread of each process, read from any, never changed.

    Positions are 1, 2, 3 and so on, in the order of insertion, without a gap; an insertion that
    fails uses none up. A page holds at least one event, where there is one, and may stop anywhere
    after that, as it does where it would become large. Whatever the database says no to is
    StoreFailed; a store that is closed raises LedgerClosed.
    """

    def insert_events(
        self, stored_events: Sequence[Storable], author: Author | None = None
    ) -> Sequence[int]:
        """Insert all or nothing, durably; returns the positions, which follow each other.

        Where others insert too, the author is first given what they inserted since, and then asked
        again what to insert; nobody inserts between that and the insertion. With nothing to insert
        it is only seen to it that nothing else is there.
        """

    def follow(self, others_inserted: Callable[[], None]) -> None:
        """Have a function called soon after others inserted, on a thread of the store's own.

        It is also called each second, for a message may be lost; never where there are no others.
        """

    def read_log(self, after: int, limit: int, sparing: Collection[str] = ()) -> list[Recorded]:
        """Events of the whole ledger after a position, in order.

        Args:
            after: the position.
            limit: the most events to look at.
            sparing: topics whose events are left out, but for one that is its aggregate's last
                among those looked at. So the last event looked at is always there.
        """

    def read_execution(
        self, id_: str, after: int, limit: int, until: int | None = None
    ) -> list[Recorded]:
        """Events of one aggregate after a version, in order, up to `until` if given."""

    def read_facts(self, id_: str, until: int | None = None) -> list[Recorded]:
        """Events of one aggregate without its frames, found without reading those."""

    def read_last(self, id_: str, topics: Collection[str]) -> Recorded | None:
        """The last event of an aggregate with one of these topics, none of them a frame's."""

    def read_first(self, ids: Sequence[str]) -> list[Recorded]:
        """The first event of each of the aggregates, in any order."""

    def last_version(self, id_: str, position: int = NO_END) -> int:
        """The number of events of one aggregate up to a position; 0 when there is none."""

    def count(self, id_: str, topic: str, position: int = NO_END) -> int:
        """How many events of a topic one aggregate has up to a position."""

    def last_position(self) -> int:
        """The position of the last event recorded; 0 in an empty ledger."""

    def close(self) -> None:
        """Let go of the database, and of the right to write to it."""
