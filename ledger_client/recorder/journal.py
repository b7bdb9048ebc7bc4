"""The requests of one recording in order, until each was answered: in a file, or in memory."""

import json
import logging
from collections import deque
from threading import Lock
from typing import Any, NamedTuple

from ledger_client.jsontext import encode
from ledger_client.recorder.room import Room
from ledger_client.recorder.said import FRAMES
from ledger_client.recorder.spill_file import SpillFile

log = logging.getLogger("ledger_client")
_MOST_IN_MEMORY = 64 * 1024 * 1024


class Entry(NamedTuple):
    """One request: its idempotency key, its path below the execution, its body.

    `under` announces the execution that this one, which is announced, is a part of. Sent again it
    is recorded once, like everything that carries a key, and the answer says the id.
    """

    key: str
    path: str
    body: str
    under: "Entry | None" = None

    @property
    def line(self) -> bytes:
        """The entry as a line of a file."""
        return f"{encode(_said(self))}\n".encode()

    @classmethod
    def read(cls, said: Any) -> "Entry":
        """The entry of which `line` was made."""
        under = said.get("under")
        return cls(said["key"], said["path"], said["body"], under and cls.read(under))


def _said(entry: Entry) -> dict[str, Any]:
    said: dict[str, Any] = {"key": entry.key, "path": entry.path, "body": entry.body}
    return said if entry.under is None else {**said, "under": _said(entry.under)}


class Journal:
    """A queue that survives its process if it has a file. Threads may share it.

    Invariant: entries are given out in the order in which they were put in. What cannot be written
    to the file any more, because the disk is full or there is no room left on it, waits in memory
    behind what can be read there.
    """

    def __init__(self, file: SpillFile | None, room: Room | None = None) -> None:
        self._file = file
        self._room = room
        self._taken = 0
        self._offset = 0
        self._is_full = False
        self._memory: deque[Entry] = deque()
        self._size = 0
        self._lock = Lock()

    def append(self, entry: Entry) -> None:
        """Put an entry in. Frames beyond 64 MiB in memory are lost, and the log says so."""
        with self._lock:
            if self._file is not None and not self._is_full:
                self._is_full = not self._written(self._file, entry.line)
                if not self._is_full:
                    return
            if entry.path == FRAMES and self._size + len(entry.body) > _MOST_IN_MEMORY:
                log.error("too much waits for the server: frames of a recording are lost")
                return
            self._memory.append(entry)
            self._size += len(entry.body)

    def _written(self, file: SpillFile, line: bytes) -> bool:
        if self._room is not None and not self._room.take(len(line)):
            log.warning("cannot spill to %s: recordings that wait take all the room", file.path)
            return False
        try:
            file.append(line)
        except OSError as error:
            log.warning("cannot spill to %s: %s", file.path, error)
            return False
        self._taken += len(line)
        return True

    def peek(self) -> Entry | None:
        """The first entry that was not done yet; None when there is none."""
        with self._lock:
            line = None if self._file is None else self._file.line_at(self._offset)
            if line is not None:
                return Entry.read(json.loads(line))
            return self._memory[0] if self._memory else None

    def advance(self) -> None:
        """The first entry is done."""
        with self._lock:
            line = None if self._file is None else self._file.line_at(self._offset)
            if line is not None:
                self._offset += len(line)
            elif self._memory:
                self._size -= len(self._memory.popleft().body)

    def refuse(self, entry: Entry, why: str) -> None:
        """Keep an entry that the server will never take, for people to look at."""
        with self._lock:
            if self._file is not None:
                self._file.note_refused(entry.line, why)

    def finish(self) -> None:
        """Everything is done: nothing need be kept."""
        with self._lock:
            if self._file is not None:
                self._file.remove()
            if self._room is not None:
                self._room.give_back(self._taken)
            self._file = None

    def leave(self) -> int:
        """Let go of the file, for a later process. How many entries in memory are lost with it."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None
            return len(self._memory)
