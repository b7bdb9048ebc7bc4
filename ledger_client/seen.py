"""How far the log was, by what servers answered: sent along, so that any server knows it too."""

from collections.abc import Mapping
from threading import Lock
from typing import Final

HEADER: Final = "X-Ledger-Position"


class Seen:
    """The furthest position that a client was told. All its parts and threads share it."""

    def __init__(self) -> None:
        self.position = 0
        self._lock = Lock()

    @property
    def headers(self) -> dict[str, str]:
        """What a request says of it."""
        return {HEADER: str(self.position)} if self.position else {}

    def note(self, sent: Mapping[str, str], answered: Mapping[str, str]) -> None:
        """Take in what an answer says.

        One that is told of less than it was sent comes from a log that was put back to a backup:
        what was seen of the other one is not waited for again.
        """
        told = _position_in(answered)
        if told:
            with self._lock:
                forgets = told < _position_in(sent)
                self.position = told if forgets else max(self.position, told)


def _position_in(headers: Mapping[str, str]) -> int:
    text = headers.get(HEADER, "")
    return int(text) if text.isdecimal() else 0
