"""Following a stream through broken connections, as a state without any input or output.

The server keeps every frame and numbers it, so whoever lost a connection asks for what comes after
the last number. A stream has ended when its last frame was seen, not when a connection closes: a
proxy, a restart and a lost network close connections too.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from ledger_client.errors import ApiError, ConnectionFailed
from ledger_client.events import ExecutionEvent, event_of
from ledger_client.models import Execution
from ledger_client.request import Request
from ledger_client.retries import backoff, may_pass
from ledger_client.sse import Parser

_HEADERS: Final = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 4.0
_FIRST_TRIES = 3


@dataclass(slots=True)
class Following:
    """Where a reader of one execution is.

    Attributes:
        path: of the stream.
        execution_path: of the execution, to ask whether it ended.
        query: what the stream is asked for at first.
        is_replay: it ends where the recording ended, though the execution may go on.
        until: the last sequence that is wanted; None for no end.
        patience: seconds without a word of the server after which a lost stream is given up.
        last: sequence of the last event that was given out; 0 before the first.
        ended: whether there is nothing more to come.
    """

    path: str
    execution_path: str
    query: dict[str, Any]
    is_replay: bool = False
    until: int | None = None
    patience: float = 60.0
    last: int = 0
    ended: bool = False
    _parser: Parser = field(default_factory=Parser)
    _seen: int = 0
    _failures: int = 0
    _was_heard: bool = False
    _lost_at: float | None = None

    def request(self) -> Request:
        """What opens the stream, or opens it again after the last event."""
        self._parser, self._seen = Parser(), 0
        query = dict(self.query)
        if self.last:
            query |= {"starting_after": self.last}
        return Request("GET", self.path, query, headers=_HEADERS)

    def feed(self, chunk: bytes) -> Iterator[ExecutionEvent]:
        """The events that a piece of the stream completes; none is given out twice."""
        self._was_heard, self._lost_at, self._failures = True, None, 0
        for message in self._parser.feed(chunk):
            event = event_of(message)
            if event is None or event.sequence <= self.last:
                continue
            self.last = event.sequence
            self._seen += 1
            self.ended = event.is_last or self.last == self.until
            yield event

    def lost(self, error: ConnectionFailed | ApiError) -> float:
        """The connection broke, or was refused. Seconds to wait before it is opened again.

        Raises:
            ConnectionFailed: nobody answers, or nothing was heard for too long.
            ApiError: the server refuses, or said not now for too long.
        """
        now = monotonic()
        self._lost_at = now if self._lost_at is None else self._lost_at
        is_too_long = now - self._lost_at > self.patience
        is_first_contact = not self._was_heard and self._failures >= _FIRST_TRIES
        if is_too_long or is_first_contact or not may_pass(error):
            raise error
        return self._pause()

    def closed(self, execution: Execution) -> float:
        """The connection was closed in good order, before a last frame.

        Args:
            execution: as it is now.

        Returns:
            Seconds to wait before it is opened again; `ended` says if that is not needed.
        """
        is_over = execution.is_terminal and not self._seen
        if is_over or (self.is_replay and (self.until or not execution.is_terminal)):
            self.ended = True
        return self._pause()

    def _pause(self) -> float:
        self._failures += 1
        return backoff(self._failures - 1, _FIRST_PAUSE, _LONGEST_PAUSE)
