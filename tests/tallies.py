"""A small projection for tests of the loop: how many events each aggregate has.

It fails at whatever it is told to fail at, as a projection with a bug in it does.
"""

from collections import Counter
from collections.abc import Callable
from typing import ClassVar

from sqlalchemy import Column, Connection, Index, Integer, MetaData, String, Table

from ledger.mapper import Recorded
from projections.bulk import upsert
from projections.projection import Page

Failing = Callable[[Recorded], Exception | None]


def _never(_event: Recorded) -> None:
    return None


def tally_table(name: str, version: int, metadata: MetaData) -> Table:
    """A table with an index of its own, so that rebuilding has something to rename."""
    return Table(
        f"{name}_v{version}",
        metadata,
        Column("id", String, primary_key=True),
        Column("events", Integer, nullable=False),
        Index(f"{name}_v{version}_events", "events"),
    )


class Tally:
    """Events by aggregate."""

    name: ClassVar[str] = "tally"
    version: ClassVar[int] = 1
    metadata: ClassVar[MetaData] = MetaData()
    topics: ClassVar[frozenset[str] | None] = None
    table: ClassVar[Table] = tally_table("tally", 1, metadata)

    def __init__(self, fails_at: Failing = _never) -> None:
        self.fails_at = fails_at
        self.pages = 0

    def apply(self, connection: Connection, page: Page) -> None:
        """Count."""
        self.pages += 1
        events = Counter(event.id for event in page.events)
        rows = [{"id": id_, "events": number} for id_, number in events.items()]
        upsert(connection, self.table, rows, add=["events"])
        for event in page.events:
            if (error := self.fails_at(event)) is not None:
                raise error


class TallyAgain(Tally):
    """The same under the next version of itself."""

    version: ClassVar[int] = 2
    metadata: ClassVar[MetaData] = MetaData()
    table: ClassVar[Table] = tally_table("tally", 2, metadata)


class OtherTally(Tally):
    """The same under another name."""

    name: ClassVar[str] = "other"
    metadata: ClassVar[MetaData] = MetaData()
    table: ClassVar[Table] = tally_table("other", 1, metadata)
