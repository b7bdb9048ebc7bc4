"""Pages of frames from the store, shared by whoever replays the same run at the same time.

Events never change, so a page that was encoded once is right for ever; it may only be followed by
more. What is kept is bounded in bytes, whatever runs are replayed and however long they are.
"""

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import Final, NamedTuple

from ledger.application import Ledger
from ledger.events import Created
from server.frames import ENDINGS, PREAMBLE, Frames, frames_of

FIRST_EVENTS: Final = 100
"""Of the page that a reader waits for: each of them may be on another page of the disk."""

EVENTS_PER_PAGE: Final = 2_000
MOST_WHOLE_BYTES: Final = 1024 * 1024
"""Of a replay that is kept in one piece."""

_MOST_BYTES: Final = 32 * 1024 * 1024
_MOST_ENDED: Final = 10_000

_Key = tuple[str, int, int | None, bool]
"""The run, the sequence after which it begins and that of its end, and whether it is a body."""


class Extent(NamedTuple):
    """Whose a run is, and how far its frames go by now.

    Attributes:
        workspace: that it belongs to.
        last: the sequence of its last event, or of the one that ended it.
    """

    workspace: str
    last: int


class Pieces:
    """The pages of one replay, as long as all of them together are short enough to be kept."""

    def __init__(self, after: int, most_bytes: int = MOST_WHOLE_BYTES) -> None:
        self._after = after
        self._pages: list[Frames] = []
        self._room = most_bytes

    def add(self, page: Frames) -> None:
        """Take in the next page; past the bound nothing is held any more."""
        self._room -= len(page.bytes)
        if self._room < 0:
            self._pages.clear()
        else:
            self._pages.append(page)

    def body(self) -> Frames | None:
        """All of them as one, as it is sent; None when they are too long."""
        if self._room < 0 or not self._pages:
            return None
        texts = (page.bytes for page in self._pages)
        return self._pages[-1]._replace(bytes=b"".join((PREAMBLE, *texts)))

    def begin(self) -> list[int]:
        """The sequences after which the pages begin."""
        return [self._after, *(page.last for page in self._pages[:-1])]


class Replays:
    """Reads pages of frames on any thread."""

    def __init__(self, ledger: Ledger, most_bytes: int = _MOST_BYTES) -> None:
        self._ledger = ledger
        self._most_bytes = most_bytes
        self._lock = Lock()  # guards the three below
        self._pages: OrderedDict[_Key, Frames] = OrderedDict()
        self._bytes = 0
        self._ended: OrderedDict[str, Extent] = OrderedDict()

    def ended(self, id_: str) -> Extent | None:
        """The extent of a run that is known to have ended: it will never be another."""
        return self._ended.get(id_)

    def extent(self, id_: str) -> Extent | None:
        """The extent of a run; None when there is no execution of that id."""
        first = self._ledger.read_first([id_])
        if not first or first[0].topic != Created.TOPIC:
            return None
        workspace = first[0].envelope["workspace"]
        end = self._ledger.read_last(id_, ENDINGS)
        if end is None:
            return Extent(workspace, self._ledger.last_version(id_))
        extent = Extent(workspace, end.version)
        with self._lock:
            self._ended[id_] = extent
            if len(self._ended) > _MOST_ENDED:
                self._ended.popitem(last=False)
        return extent

    def kept(self, id_: str, after: int, until: int | None) -> Frames | None:
        """The frames after a sequence, if they were read lately."""
        return self._kept((id_, after, until, False))

    def body(self, id_: str, after: int, until: int) -> bytes | None:
        """The whole body of a replay, if it was sent lately and is short enough to be kept."""
        body = self._kept((id_, after, until, True))
        return None if body is None else body.bytes

    def read(
        self, id_: str, after: int, until: int | None = None, most: int = EVENTS_PER_PAGE
    ) -> Frames:
        """The next frames after a sequence, at most so many; none when there is nothing yet."""
        events = self._ledger.read_execution(id_, after, most, until)
        page = frames_of(events, after)
        if page.last > after:
            self._keep((id_, after, until, False), page)
        return page

    def keep_body(self, id_: str, after: int, until: int, pieces: Pieces) -> None:
        """Keep what was sent in one piece, in the place of its pages, where it is short enough."""
        if (body := pieces.body()) is not None:
            self._keep(
                (id_, after, until, True),
                body,
                [(id_, begin, until, False) for begin in pieces.begin()],
            )

    def _kept(self, key: _Key) -> Frames | None:
        with self._lock:
            page = self._pages.get(key)
            if page is not None:
                self._pages.move_to_end(key)
        return page

    def _keep(self, key: _Key, page: Frames, instead_of: Iterable[_Key] = ()) -> None:
        with self._lock:
            for gone in (key, *instead_of):
                before = self._pages.pop(gone, None)
                self._bytes -= 0 if before is None else len(before.bytes)
            self._pages[key] = page
            self._bytes += len(page.bytes)
            while self._bytes > self._most_bytes:
                _, oldest = self._pages.popitem(last=False)
                self._bytes -= len(oldest.bytes)
