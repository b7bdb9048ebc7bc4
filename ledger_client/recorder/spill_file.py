"""A file in which one recording waits for the server: lines that are only ever appended.

The first line says for which server it is. Whoever works on a file holds a lock on it, which ends
with its process: a file that can be locked is nobody's any more.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from ledger_client.jsontext import encode
from ledger_client.options import Options

SUFFIX: Final = ".ndjson"
_REFUSED: Final = ".refused"
_PIECE = 65536
_APPENDING: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT
_OURS_ALONE: Final = 0o600


class SpillFile:
    """An open, locked file."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        header = self._read_line(0) or b""
        self._begin = len(header)
        self.target = _target_in(header)

    @classmethod
    def create(cls, directory: Path, name: str, options: Options) -> Self:
        """A new file. Raises OSError."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / f"{name}{SUFFIX}"
        unnamed = path.with_suffix(".new")
        handle = os.open(unnamed, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, _OURS_ALONE)
        fcntl.flock(handle, fcntl.LOCK_EX)
        os.write(handle, f"{encode(target_of(options))}\n".encode())
        unnamed.rename(path)  # locked before others can see it
        return cls(path, handle)

    @classmethod
    def adopt(cls, path: Path) -> Self | None:
        """A file that nobody works on any more; None when somebody does, or it cannot be had."""
        try:
            handle = os.open(path, os.O_RDWR | os.O_APPEND)
        except OSError:  # gone, or another user's
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        if os.fstat(handle).st_nlink == 0:
            os.close(handle)
            return None
        return cls(path, handle)

    def append(self, line: bytes) -> None:
        """Add a line. It survives this process; a power cut it may not. Raises OSError."""
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._handle, rest) :]

    def line_at(self, offset: int) -> bytes | None:
        """The whole line that begins there, counted from the end of the first; None for none.

        A line without an end was being written when its process was killed: it is none.
        """
        return self._read_line(self._begin + offset)

    def note_refused(self, line: bytes, why: str) -> None:
        """Keep a line, and why the server did not take it, beside the file."""
        with suppress(OSError):
            handle = os.open(self.path.with_suffix(_REFUSED), _APPENDING, _OURS_ALONE)
            with open(handle, "ab") as file:
                file.write(f"{encode({'refused': why})}\n".encode() + line)

    def remove(self) -> None:
        """Delete it and let go."""
        with suppress(OSError):
            self.path.unlink()
        self.close()

    def close(self) -> None:
        """Let go of it."""
        os.close(self._handle)

    def _read_line(self, offset: int) -> bytes | None:
        line = b""
        while piece := os.pread(self._handle, _PIECE, offset + len(line)):
            head, end, _ = piece.partition(b"\n")
            line += head + end
            if end:
                return line
        return None


def left_behind(directory: Path) -> Iterator[Path]:
    """The files in which recordings wait, of living processes too; oldest first."""
    try:
        found = sorted(directory.glob(f"*{SUFFIX}"), key=_age)
    except OSError:  # a directory that one may not look into has nothing for us
        return
    yield from found


def target_of(options: Options) -> dict[str, str]:
    """Which server and which workspace a client's recordings are for."""
    return {"server": options.base_url, "workspace": options.workspace}


def _target_in(header: bytes) -> dict[str, str] | None:
    try:
        said = json.loads(header)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
