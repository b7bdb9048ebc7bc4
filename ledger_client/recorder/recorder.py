"""Takes what programs say, without making them wait, and sees to it that it gets to the server."""

import atexit
import logging
import os
from collections import deque
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from queue import Empty
from threading import Event, Lock, Thread
from time import monotonic, sleep
from uuid import uuid4

from ledger_client.errors import ApiError, LedgerClientError
from ledger_client.models import ApprovalRequest
from ledger_client.options import Options
from ledger_client.recorder.answers import wait_for_answer
from ledger_client.recorder.couriers import Couriers
from ledger_client.recorder.journal import Journal
from ledger_client.recorder.leftovers import adopted
from ledger_client.recorder.room import Room
from ledger_client.recorder.said import MOST_FRAMES, Said, requests_of
from ledger_client.recorder.spill_file import SpillFile, left_behind
from ledger_client.recorder.track import Track
from ledger_client.transport import Transport

log = logging.getLogger("ledger_client")

GATHER_SECONDS = 0.04
"""How long what was said is in memory alone, at most, while the machine keeps up."""

_CLOSE_SECONDS = 5.0
_LONGEST_REQUEST = 10.0
_LOOK_SECONDS = 0.005
_LOOK_FOR_AN_ANSWER_SECONDS = 0.5


class Recorder:
    """One per client. Nothing runs until something is recorded, or left to be delivered.

    Two kinds of threads: one writes what was said into journals, in order; couriers deliver from
    the journals. So a server that is slow or away holds up neither the program nor the writing.
    """

    def __init__(self, options: Options) -> None:
        self._options = replace(options, timeout=min(options.timeout, _LONGEST_REQUEST))
        self._process = 0
        self._starting = Lock()
        if options.spill is not None and any(left_behind(options.spill)):
            self._start()

    def open(self, parent: Track | None = None) -> Track:
        """A new recording, on its own or as a part of another one."""
        if self._process != os.getpid():
            self._start()
        track = Track(uuid4().hex, parent=parent)
        self._live.add(track)
        return track

    def say(self, track: Track, said: Said) -> None:
        """Take something down. Costs the caller an append to a queue."""
        if not self._process:
            log.warning("a run was told something after its client was closed; it is lost")
            return
        self._queue.append((track, said))
        if not self._some.is_set():
            self._some.set()
        if len(self._queue) >= MOST_FRAMES:
            self._full.set()

    def hurry(self) -> None:
        """Write now what was said."""
        self._full.set()

    def answer(self, track: Track) -> ApprovalRequest:
        """Wait for a human's answer to what a recording asked last, however long. Blocks.

        Raises:
            ApprovalDenied: the answer is no, and the run is over.
            ApiError: it could not be asked.
            LedgerClientError: the client was closed.
        """
        self.hurry()
        asked: str | ApiError | None = None
        while asked is None:
            self._rest(0)
            with suppress(Empty):
                asked = track.answers.get(timeout=_LOOK_FOR_AN_ANSWER_SECONDS)
        if isinstance(asked, ApiError):
            raise asked
        try:
            return wait_for_answer(self._transport, asked, self._rest)
        except RuntimeError:  # the connection was closed under the question
            self._rest(0)
            raise

    def _rest(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            message = "the client was closed while its run waited for a human"
            raise LedgerClientError(message)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was said is at the server.

        Args:
            timeout: seconds; None waits as long as it takes.

        Returns:
            Whether it is there.
        """
        if self._process != os.getpid():
            return True
        until = None if timeout is None else monotonic() + timeout
        self.hurry()
        while not (self._is_written and self._couriers.is_idle):
            if until is not None and monotonic() >= until:
                return False
            sleep(_LOOK_SECONDS)
        return True

    def close(self) -> None:
        """Deliver what can be delivered soon, keep the rest for a later process, and stop."""
        if self._process != os.getpid():
            return
        until = monotonic() + _CLOSE_SECONDS
        self.hurry()
        while not (self._is_written and (self._couriers.is_idle or self._may_be_left)):
            if monotonic() >= until:
                break
            sleep(_LOOK_SECONDS)
        self._stop()

    @property
    def _is_written(self) -> bool:
        return not self._queue and not self._is_writing

    @property
    def _may_be_left(self) -> bool:
        """Whether waiting for the server is of no use: it is away, and a file keeps everything."""
        return self._couriers.is_away and self._options.spill is not None

    def _start(self) -> None:
        """Begin; also in the child of a fork, which has none of its parent's threads."""
        with self._starting:
            if self._process != os.getpid():
                self._begin()
                self._process = os.getpid()

    def _begin(self) -> None:
        self._queue: deque[tuple[Track, Said]] = deque()
        self._live: set[Track] = set()
        self._some, self._full, self._closing = Event(), Event(), Event()
        self._is_writing = True
        self._room = Room(self._options.spill)
        self._transport = Transport(self._options)
        self._couriers = Couriers(self._transport, self._finished)
        self._writer = Thread(target=self._write, name="ledger-recorder", daemon=True)
        self._writer.start()
        atexit.register(self.close)

    def _stop(self) -> None:
        atexit.unregister(self.close)
        self._closing.set()
        self._some.set()
        self._full.set()
        self._writer.join(1)
        self._couriers.stop(1)
        self._transport.close()
        self._let_go([*self._live])
        self._process = 0

    def _let_go(self, tracks: Collection[Track]) -> None:
        """Leave files to later processes, and nobody waiting."""
        lost = sum(track.journal.leave() for track in tracks if track.journal is not None)
        if lost:
            log.error("%d requests of recordings are lost: the ledger did not take them", lost)
        for track in tracks:
            track.known.set()

    def _write(self) -> None:
        try:
            self._adopt()
        except Exception:
            log.exception("what earlier programs have left stays where it is")
        self._is_writing = False
        while not self._closing.is_set():
            self._some.wait()
            self._full.wait(GATHER_SECONDS)
            self._some.clear()
            self._full.clear()
            self._is_writing = True
            self._drain()
            self._is_writing = False

    def _drain(self) -> None:
        said: dict[Track, list[Said]] = {}
        while self._queue:
            track, one = self._queue.popleft()
            said.setdefault(track, []).append(one)
        for track, those in said.items():
            try:
                self._put_down(track, those)
            except Exception:
                log.exception("a part of recording %s is lost", track.name)

    def _put_down(self, track: Track, said: Iterable[Said]) -> None:
        if track.journal is None:
            track.journal = Journal(self._file(track.name), self._room)
        for path, body in requests_of(said):
            track.write(path, body)
        self._couriers.announce(track)

    def _file(self, name: str) -> SpillFile | None:
        if self._options.spill is None:
            return None
        try:
            return SpillFile.create(self._options.spill, name, self._options)
        except OSError as error:
            log.warning("recordings are kept in memory, for there is no place: %s", error)
            return None

    def _adopt(self) -> None:
        """Take up what processes that are gone have left for this server."""
        if self._options.spill is None:
            return
        for path in left_behind(self._options.spill):
            track = adopted(path, self._options)
            if track is not None:
                self._live.add(track)
                self._couriers.announce(track)

    def _finished(self, track: Track) -> None:
        self._live.discard(track)
        assert track.journal is not None
        track.journal.finish()
