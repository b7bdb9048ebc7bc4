"""Pages of frames from the store, shared by whoever replays the same run at the same time.

Events never change, so a page that was encoded once is right for ever; it may only be followed by
more. What is kept is bounded in bytes, whatever runs are replayed and however long they are.
"""

from collections import OrderedDict
from threading import Lock
from typing import Final

from ledger.application import Ledger
from server.frames import Frames, frames_of

_EVENTS_PER_PAGE: Final = 2_000
_MOST_BYTES: Final = 32 * 1024 * 1024

_Key = tuple[str, int, int | None]


class Replays:
    """Reads pages of frames on any thread."""

    def __init__(self, ledger: Ledger, most_bytes: int = _MOST_BYTES) -> None:
        self._ledger = ledger
        self._most_bytes = most_bytes
        self._lock = Lock()  # guards the two below
        self._pages: OrderedDict[_Key, Frames] = OrderedDict()
        self._bytes = 0

    def kept(self, id_: str, after: int, until: int | None) -> Frames | None:
        """The frames after a sequence, if they were read lately."""
        key = (id_, after, until)
        with self._lock:
            page = self._pages.get(key)
            if page is not None:
                self._pages.move_to_end(key)
        return page

    def read(self, id_: str, after: int, until: int | None = None) -> Frames:
        """The next frames after a sequence; none when there is nothing more yet."""
        events = self._ledger.read_execution(id_, after, _EVENTS_PER_PAGE, until)
        page = frames_of(events, after)
        if page.last > after:
            self._keep((id_, after, until), page)
        return page

    def _keep(self, key: _Key, page: Frames) -> None:
        with self._lock:
            before = self._pages.pop(key, None)
            self._pages[key] = page
            self._bytes += len(page.bytes) - (len(before.bytes) if before else 0)
            while self._bytes > self._most_bytes:
                _, oldest = self._pages.popitem(last=False)
                self._bytes -= len(oldest.bytes)
