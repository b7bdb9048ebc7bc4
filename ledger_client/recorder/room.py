"""How much of a disk recordings may take while they wait."""

from pathlib import Path
from threading import Lock
from typing import Final

from ledger_client.recorder.spill_file import left_behind

MOST_BYTES: Final = 1024 * 1024 * 1024
"""Of all the files of a spill directory together, as far as one process knows of them."""


class Room:
    """What is left of it. Threads may share it."""

    def __init__(self, directory: Path | None, most_bytes: int = MOST_BYTES) -> None:
        self._left = most_bytes - (0 if directory is None else _taken(directory))
        self._lock = Lock()

    def take(self, size: int) -> bool:
        """Have so many bytes; False when there are not as many left."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give_back(self, size: int) -> None:
        """Have them no more."""
        with self._lock:
            self._left += size


def _taken(directory: Path) -> int:
    sizes = []
    for path in left_behind(directory):
        try:
            sizes.append(path.stat().st_size)
        except OSError:  # delivered meanwhile
            continue
    return sum(sizes)
