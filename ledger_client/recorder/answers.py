"""What a human says to a recording that asks, and the wait for it."""

from collections.abc import Callable
from typing import Final

from ledger_client.errors import ConnectionFailed, LedgerClientError, RateLimited, ServerError
from ledger_client.models import ApprovalRequest
from ledger_client.record import one
from ledger_client.request import ask, place
from ledger_client.transport import Transport

_PENDING: Final = "pending"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0


class ApprovalDenied(LedgerClientError):
    """Nobody said yes, and so the run is over: rejected, expired, or cancelled meanwhile.

    Attributes:
        request: what was asked, and what became of it.
    """

    def __init__(self, request: ApprovalRequest) -> None:
        why = f": {request.reason}" if request.reason else ""
        super().__init__(f"{request.checkpoint_name} was {request.status}{why}")
        self.request = request


def wait_for_answer(
    transport: Transport, approval_id: str, pause: Callable[[float], None]
) -> ApprovalRequest:
    """Wait for the decision on a request, or on what an edit put in its place. Blocks.

    Args:
        transport: to the server; that it is away for a while ends nothing.
        approval_id: of the request.
        pause: called with seconds; it waits, or it raises to end the wait.

    Raises:
        ApprovalDenied: the answer is no, and the run does not go on after one.
        ApiError: the server does not tell.
    """
    seconds = _FIRST_PAUSE
    while True:
        try:
            found = transport.run(ask(place("approvals", approval_id), one(ApprovalRequest)))
        except (ConnectionFailed, RateLimited, ServerError):
            found = None
        if found is not None and found.superseded_by is not None:
            approval_id = found.superseded_by
            continue
        if found is not None and found.status != _PENDING:
            return _taken(found)
        pause(seconds)
        seconds = min(2 * seconds, _LONGEST_PAUSE)


def _taken(found: ApprovalRequest) -> ApprovalRequest:
    goes_on = found.status == "rejected" and found.on_reject == "resume"
    if not (found.approved or goes_on):
        raise ApprovalDenied(found)
    return found
