"""Telling the server what waits in a journal: in order, each request until it is answered."""

import json
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from ledger_client.errors import ApiError, ConnectionFailed
from ledger_client.jsontext import encode
from ledger_client.record import data_of
from ledger_client.recorder.journal import Entry, Journal
from ledger_client.recorder.said import (
    APPROVALS,
    COMPLETE,
    CREATE,
    ENDINGS,
    FAIL,
    FRAMES,
    with_parent,
)
from ledger_client.recorder.track import Track
from ledger_client.request import Request
from ledger_client.retries import PASSING, backoff
from ledger_client.transport import Transport

log = logging.getLogger("ledger_client")

_LATER: Final = PASSING | {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
"""Not now, or not until somebody has repaired the key."""

_MOST_FAULTS = 5
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 4.0
_LOST: Final = {
    "error": "the program that recorded this run ended before the run did",
    "error_code": "worker_lost",
}


class Delivery:
    """Delivers tracks. Threads may share it.

    Args:
        transport: to the server.
        pause: called with seconds when the server cannot take more now; it waits, or it raises to
            end the delivery, which another one may take up at the same place.
    """

    def __init__(
        self, transport: Transport, pause: Callable[[float, ApiError | ConnectionFailed], None]
    ) -> None:
        self._transport = transport
        self._pause = pause
        self.is_away = False

    def deliver(self, track: Track) -> None:
        """Everything that waits in the track's journal. Raises what `pause` raises."""
        journal = track.journal
        assert journal is not None
        while (entry := journal.peek()) is not None:
            self._send(track, journal, entry)
            journal.advance()
            track.is_over = track.is_over or entry.path in ENDINGS
        if track.is_orphan and not track.is_over:
            if track.execution_id is not None:
                self._try(track, Entry(f"{track.name}-lost", FAIL, encode(_LOST)))
            track.is_over = True

    def _send(self, track: Track, journal: Journal, entry: Entry) -> None:
        if entry.path != CREATE and track.execution_id is None:
            return self._refused(track, journal, entry, "its run was not created")
        answer = self._create(track, entry) if entry.path == CREATE else self._try(track, entry)
        if not isinstance(answer, ApiError):
            return self._taken(track, entry, answer)
        if entry.path == COMPLETE and answer.code != "illegal_transition":
            self._try(track, Entry(f"{entry.key}-refused", FAIL, encode(_not_taken(answer))))
        frames = json.loads(entry.body) if entry.path == FRAMES else []
        if len(frames) < 2:  # noqa: PLR2004  one frame cannot be parted
            if entry.path == APPROVALS:
                track.answers.put(answer)
            return self._refused(track, journal, entry, str(answer))
        for number, frame in enumerate(frames):
            alone = Entry(f"{entry.key}-{number}", FRAMES, encode(frame))
            answer = self._try(track, alone)
            if isinstance(answer, ApiError):
                self._refused(track, journal, alone, str(answer))
        return None

    def _taken(self, track: Track, entry: Entry, answer: Any) -> None:
        if entry.path == CREATE:
            track.created(answer["id"])
        if entry.path == APPROVALS:
            track.answers.put(answer["approval_id"])
        track.is_cancelled = track.is_cancelled or answer.get("cancellation_requested", False)

    def _create(self, track: Track, entry: Entry) -> Any | ApiError:
        """Announce a run, under the one it is a part of; by itself, if that cannot be."""
        if entry.under is None:
            return self._try(track, entry)
        parent = self._create(track, entry.under)
        if isinstance(parent, ApiError):
            return self._try(track, entry)
        child = Entry(entry.key, CREATE, with_parent(entry.body, parent["id"]))
        answer = self._try(track, child)
        if not isinstance(answer, ApiError):
            return answer
        log.warning("recording %s is not a part of %s: %s", track.name, parent["id"], answer)
        return self._try(track, Entry(f"{entry.key}-alone", CREATE, entry.body))

    def _try(self, track: Track, entry: Entry) -> Any | ApiError:
        """What the server recorded, or why it never will."""
        failures = 0
        while True:
            try:
                reply = self._transport.send(_request(track, entry))
                error: ApiError | ConnectionFailed | None = reply.error
                if error is None:
                    self.is_away = False
                    return data_of(reply.body, dict)
            except ConnectionFailed as failed:
                error = failed
            assert error is not None
            if isinstance(error, ApiError) and _is_final(error, failures):
                return error
            if not self.is_away:
                log.warning("recordings wait for the ledger: %s", error)
            self.is_away = True
            asked = error.retry_after if isinstance(error, ApiError) else None
            self._pause(asked or backoff(failures, _FIRST_PAUSE, _LONGEST_PAUSE), error)
            failures += 1

    def _refused(self, track: Track, journal: Journal, entry: Entry, why: str) -> None:
        log.error("the ledger refuses a part of recording %s: %s", track.name, why)
        journal.refuse(entry, why)
        track.refused += 1
        if entry.path == CREATE:
            track.known.set()


def _is_final(error: ApiError, failures: int) -> bool:
    if error.status in _LATER:
        return False
    is_fault = error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return not is_fault or failures >= _MOST_FAULTS


def _not_taken(error: ApiError) -> dict[str, str]:
    """How a run ends whose output the server does not take: it must not seem to go on for ever."""
    return {"error": f"the output was refused: {error.message}"[:1000], "error_type": "Refused"}


def _request(track: Track, entry: Entry) -> Request:
    path = "/executions"
    if entry.path != CREATE:
        path = f"/executions/{quote(track.execution_id or '', safe='')}{entry.path}"
    headers = {"Idempotency-Key": entry.key, "Content-Type": "application/json"}
    return Request("POST", path, body=entry.body.encode(), headers=headers)
