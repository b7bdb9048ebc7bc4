"""Approvals that nobody answered in time are rejected by the server itself."""

import asyncio
from typing import Final

import structlog

from ledger.clock import Clock, utc_now
from ledger.commands import ExpireApproval
from ledger.errors import LedgerError
from ledger.event import Actor
from ledger.orders import Caller
from projections.approvals import due_approvals
from projections.times import micros
from server.auth import IN_PROCESS
from server.services import Services

_EVERY_SECONDS: Final = 1.0
_SYSTEM: Final = Actor(type="system", id="expiry", auth=IN_PROCESS)

log = structlog.get_logger()


async def expire_approvals(services: Services, clock: Clock = utc_now) -> None:
    """Look every second, for ever. A decision that comes first wins: the ledger refuses ours."""
    while True:
        await asyncio.sleep(_EVERY_SECONDS)
        try:
            await _expire_due(services, micros(clock()))
        except Exception:  # a fault now must not stop the expiry of what is due later
            log.exception("expiring approvals failed")


async def _expire_due(services: Services, now: int) -> None:
    due = await services.query(lambda connection: due_approvals(connection, now))
    for approval in due:
        caller = Caller(approval.workspace, _SYSTEM)
        try:
            await services.record(ExpireApproval(approval.execution_id, approval.id), caller)
        except LedgerError as refusal:
            log.debug("approval was decided before it expired", id=approval.id, why=str(refusal))
