"""One recording on its way to the server."""

from queue import SimpleQueue
from threading import Event

from ledger_client.errors import ApiError
from ledger_client.recorder.journal import Entry, Journal
from ledger_client.recorder.said import CREATE, with_parent


class Track:
    """What was said about one run and is not at the server yet.

    Attributes:
        name: of the recording; the keys of its requests are made of it, so that a request that is
            sent twice, by whichever process, is recorded once.
        journal: the requests; None until the first was written.
        parent: the recording in whose block this one began.
        creation: the request that announces it, until its answer is known.
        execution_id: known when the server answered the first request.
        refused: how many requests the server will never take.
        is_over: whether an end was said; nothing follows it.
        is_cancelled: whether somebody wants it to stop, as far as the server has said.
        is_orphan: whether the process that recorded is gone.
        answers: to what was asked, in order: the id of the approval, or why there is none.
        known: set when the id is known, or never will be in this process.
    """

    def __init__(
        self,
        name: str,
        journal: Journal | None = None,
        *,
        parent: "Track | None" = None,
        is_orphan: bool = False,
    ) -> None:
        self.name = name
        self.journal = journal
        self.parent = parent
        self.creation: Entry | None = None
        self.execution_id: str | None = None
        self.refused = 0
        self.is_over = False
        self.is_cancelled = False
        self.is_orphan = is_orphan
        self.answers: SimpleQueue[str | ApiError] = SimpleQueue()
        self.known = Event()
        self._number = 0

    def write(self, path: str, body: str) -> None:
        """Put a request down. The journal must be there."""
        assert self.journal is not None
        entry = Entry(f"{self.name}-{self._number}", path, body)
        if path == CREATE:
            entry = self.creation = self._as_child(entry)
        self.journal.append(entry)
        self._number += 1

    def _as_child(self, creation: Entry) -> Entry:
        """The announcement, as that of a part of its parent; whose id may have to be asked for."""
        if self.parent is None:
            return creation
        under, parent_id = self.parent.creation, self.parent.execution_id  # in this order
        if parent_id is not None:
            return creation._replace(body=with_parent(creation.body, parent_id))
        return creation._replace(under=under)

    def created(self, execution_id: str) -> None:
        """The server knows the run now."""
        self.execution_id = execution_id
        self.creation = None
        self.known.set()
