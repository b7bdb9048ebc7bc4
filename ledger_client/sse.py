"""Server-sent events, from bytes in any pieces to messages; knows nothing of what they say."""

import codecs
from collections.abc import Iterator
from typing import NamedTuple


class Message(NamedTuple):
    """One message of a stream.

    Attributes:
        event: its name; `message` when it has none.
        data: its text.
        id: the last id that the stream gave, with this message or before.
    """

    event: str
    data: str
    id: str


class Parser:
    """Takes a stream as it comes. What is not finished waits for the next piece."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._line: list[str] = []
        self._after_return = False
        self._event = ""
        self._data: list[str] = []
        self._id = ""

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """The messages that this piece completes."""
        for line in self._lines(self._decoder.decode(chunk)):
            message = self._take(line)
            if message is not None:
                yield message

    def _lines(self, text: str) -> Iterator[str]:
        """Whole lines; they end with LF, CR, or both, which may come in two pieces."""
        if self._after_return and text:
            text = text.removeprefix("\n")
            self._after_return = False
        if text.endswith("\r"):
            self._after_return = True
        *ended, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for line in ended:
            self._line.append(line)
            whole = "".join(self._line)
            self._line.clear()
            yield whole
        if rest:
            self._line.append(rest)

    def _take(self, line: str) -> Message | None:
        if not line:
            return self._end()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _end(self) -> Message | None:
        event, data = self._event or "message", self._data
        self._event, self._data = "", []
        return Message(event, "\n".join(data), self._id) if data else None
