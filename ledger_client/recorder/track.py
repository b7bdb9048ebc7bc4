"""One recording on its way to the server."""

from threading import Event

from ledger_client.recorder.journal import Entry, Journal


class Track:
    """What was said about one run and is not at the server yet.

    Attributes:
        name: of the recording; the keys of its requests are made of it, so that a request that is
            sent twice, by whichever process, is recorded once.
        journal: the requests; None until the first was written.
        execution_id: known when the server answered the first request.
        refused: how many requests the server will never take.
        is_over: whether an end was said; nothing follows it.
        is_orphan: whether the process that recorded is gone.
        known: set when the id is known, or never will be in this process.
    """

    def __init__(
        self, name: str, journal: Journal | None = None, *, is_orphan: bool = False
    ) -> None:
        self.name = name
        self.journal = journal
        self.execution_id: str | None = None
        self.refused = 0
        self.is_over = False
        self.is_orphan = is_orphan
        self.known = Event()
        self._number = 0

    def write(self, path: str, body: str) -> None:
        """Put a request down. The journal must be there."""
        assert self.journal is not None
        self.journal.append(Entry(f"{self.name}-{self._number}", path, body))
        self._number += 1

    def created(self, execution_id: str) -> None:
        """The server knows the run now."""
        self.execution_id = execution_id
        self.known.set()
