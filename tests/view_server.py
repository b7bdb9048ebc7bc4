"""A process that keeps a view of a log up to date, as each of several servers does.

Run as `python -m tests.view_server VIEWS LOG HOLDER SECONDS`, until its input ends.
"""

import pickle
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

from ledger.mapper import Recorded
from projections.catch_up import CatchUp
from projections.leases import Terms
from projections.store import ViewStore
from tests.strategies import MemoryLog
from tests.tallies import Tally

_RENEWED_EVERY = 0.5


class FileLog(MemoryLog):
    """A log in a file, which one process writes and any may read."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._read = 0

    @property
    def position(self) -> int:
        self._look()
        return super().position

    def read_log(self, after: int, limit: int, sparing: Collection[str] = ()) -> list[Recorded]:
        self._look()
        return super().read_log(after, limit, sparing)

    def append(self, events: Iterable[Recorded]) -> None:
        """Record."""
        with self._path.open("a") as file:
            file.writelines(f"{pickle.dumps(tuple(event)).hex()}\n" for event in events)

    def _look(self) -> None:
        with self._path.open() as file:
            file.seek(self._read)
            while (line := file.readline()).endswith("\n"):
                self.events.append(Recorded._make(pickle.loads(bytes.fromhex(line))))  # noqa: S301 - of our own making
                self._read = file.tell()


def main() -> None:
    """Serve."""
    views, log, holder, seconds = sys.argv[1:]
    terms = Terms(holder, float(seconds), _RENEWED_EVERY)
    loop = CatchUp(ViewStore.open(views), [Tally()], FileLog(Path(log)), terms=terms, page_size=10)
    loop.start()
    sys.stdin.read()
    loop.stop()


if __name__ == "__main__":
    main()
