"""Recordings that wait in a directory because the server was away, and their delivery."""

from pathlib import Path
from typing import Protocol

from ledger_client.errors import ApiError, ConnectionFailed
from ledger_client.options import Options
from ledger_client.recorder.delivery import Delivery
from ledger_client.recorder.leftovers import adopted
from ledger_client.recorder.spill_file import left_behind
from ledger_client.recorder.track import Track
from ledger_client.transport import Transport


class Client(Protocol):
    """A `Ledger` or an `AsyncLedger`."""

    @property
    def options(self) -> Options:
        """How it reaches its server."""


def deliver(directory: str | Path, client: Client, *, any_server: bool = False) -> int:
    """Deliver what processes that are gone have left; each recording is recorded once. Blocks.

    A run whose process ended before it did is ended as failed, with code `worker_lost`.

    Args:
        directory: where recordings wait.
        client: of the server that gets them.
        any_server: also those that were meant for another address or workspace.

    Returns:
        How many recordings were delivered.

    Raises:
        ConnectionFailed: the server is away. What it has, it has once; the rest waits on.
        ApiError: the server does not take them now, or the key opens nothing.
    """
    transport = Transport(client.options)
    delivery = Delivery(transport, _raise)
    count = 0
    try:
        for path in left_behind(Path(directory)):
            track = adopted(path, None if any_server else client.options)
            if track is not None:
                count += _deliver(delivery, track)
    finally:
        transport.close()
    return count


def _deliver(delivery: Delivery, track: Track) -> int:
    assert track.journal is not None
    try:
        delivery.deliver(track)
    except BaseException:
        track.journal.leave()
        raise
    track.journal.finish()
    return 1 if track.execution_id else 0


def _raise(_: float, error: ApiError | ConnectionFailed) -> None:
    raise error
