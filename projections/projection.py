"""The contract of a projection: a fold from recorded events into tables that remember how far.

A projection sees the log in pages. It changes its tables for a page in the transaction in which
its tracking position moves past that page, so that any restart and any redelivery ends in the same
rows.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

from sqlalchemy import Connection, MetaData

from ledger.events import FRAME_TOPICS
from ledger.mapper import Recorded


class Identity(NamedTuple):
    """The facts with which an execution was created; they never change."""

    workspace: str
    agent_id: str
    agent_name: str
    agent_version_id: str
    user_id: str
    session_id: str
    trace_id: str
    root_execution_id: str
    parent_execution_id: str | None
    created_at: int
    """Microseconds since 1970, UTC: when it happened if that was said, else when recorded."""


class Page(NamedTuple):
    """A stretch of the log, and who the executions in it are.

    Attributes:
        events: in the order of their positions; for a projection, all those of its topics.
        identities: by execution id, for each execution that an event of this page belongs to.
    """

    events: Sequence[Recorded]
    identities: Mapping[str, Identity]


class Projection(Protocol):
    """A named, versioned read model.

    Attributes:
        name: of the read model, for example "executions".
        version: rises when its tables or its fold change; both versions can stand side by side.
        metadata: its tables, named `<table>_v<version>`. It may touch no others in `apply`: during
            a rebuild these names, and those of their indexes, stand for the tables being built.
        topics: the topics it folds, and so gets to see; None for all of them.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    metadata: ClassVar[MetaData]
    topics: ClassVar[frozenset[str] | None]

    def apply(self, connection: Connection, page: Page) -> None:
        """Fold the page into the tables, within the caller's transaction."""


@runtime_checkable
class TouchedByTheLast(Protocol):
    """A projection for which some events only count when nothing comes after them.

    Attributes:
        by_the_last: topics, of whose events in a page the last one of each aggregate is enough.
    """

    by_the_last: ClassVar[frozenset[str]]


def dispensable(projections: Collection[Projection]) -> frozenset[str]:
    """Topics of frames that these projections can do without where others come after them."""
    spared = frozenset(FRAME_TOPICS)
    for projection in projections:
        topics = projection.topics
        by_the_last = (
            projection.by_the_last if isinstance(projection, TouchedByTheLast) else frozenset()
        )
        spared &= by_the_last if topics is None else spared - topics | by_the_last
    return spared


class Log(Protocol):
    """What a projection reads from: the ledger, or anything that can do these."""

    @property
    def position(self) -> int:
        """The position of the last event; 0 in an empty log."""

    def read_log(self, after: int, limit: int, sparing: Collection[str] = ()) -> Sequence[Recorded]:
        """At most `limit` events after a position, in order.

        Of the topics in `sparing` those may be left out after which there are, in this stretch,
        others of the same aggregate.
        """

    def read_first(self, ids: Sequence[str]) -> Sequence[Recorded]:
        """The first event of each of these aggregates."""
