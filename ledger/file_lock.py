"""One process writes a database file at a time.

Older SQLite versions can corrupt a write-ahead log that two processes checkpoint, and a second
writer's cache of versions would be stale.
"""

import fcntl
import os
from pathlib import Path
from typing import IO

from ledger.errors import DatabaseInUse


class FileLock:
    """The right of one process to write a database file, given up when the process ends."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            DatabaseInUse: another process has it; the message names its pid.
        """
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            message = (
                f"{self._path.name.removesuffix('.lock')} is in use by process {holder}; "
                "one process writes a SQLite ledger at a time"
            )
            raise DatabaseInUse(message, pid=holder) from None
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.close()
            self._file = None
