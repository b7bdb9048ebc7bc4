"""What an in-process worker finds at its start: work that waits, and what dead processes left."""

from collections.abc import Collection

import structlog
from sqlalchemy import Connection

from ledger.commands import LoseWorker
from ledger.errors import IllegalTransition
from ledger.orders import Caller
from ledger.status import Status
from projections import executions
from projections.filters import parse_filters
from server.assignment import Assignment
from server.services import Services

_LEFT_OVER = (Status.PENDING, Status.APPROVED, Status.RUNNING)
_VIEW = "executions"
_PATIENCE_SECONDS = 60.0

log = structlog.get_logger()


async def left_over(services: Services, workspace: str, agent_ids: Collection[str]) -> list[str]:
    """The executions of some agents that wait to be taken up, or that a dead process left.

    Returns:
        Their ids, oldest first by agent, once the views know them all. Among those that are
        running may be some that somebody works on.
    """
    position = services.ledger.position
    while not await services.catch_up.reached(position, _PATIENCE_SECONDS, _VIEW):
        log.warning("waiting for the views, to find unfinished executions", position=position)
    found: list[str] = []
    for agent_id in agent_ids:
        found += await _of_agent(services, workspace, agent_id)
    return found


async def _of_agent(services: Services, workspace: str, agent_id: str) -> list[str]:
    wanted = {"agent_id": agent_id, "status": ",".join(_LEFT_OVER), "limit": "100"}
    wanted |= {"sort": "created_at", "fields": "id"}
    found: list[str] = []
    while True:
        filters = parse_filters(wanted.items())

        def ask(connection: Connection, filters: executions.Filters = filters) -> executions.Page:
            return executions.list_executions(connection, workspace, filters)

        page = await services.query(ask, fresh=False)
        found += [item["id"] for item in page.items]
        if not page.meta["has_more"]:
            return found
        wanted["cursor"] = page.meta["next_cursor"]


async def give_up(services: Services, caller: Caller, left: Assignment) -> None:
    """Record the loss of an in-process worker that is gone: the execution begins anew, or fails.

    There is one server per ledger, so whoever else worked in a server's process is gone.

    One that was lost while the execution waited for a human is not held against the execution:
    after a no it counts as little as after a yes.
    """
    most = services.settings.most_attempts
    if left.denied_last:
        most = max(most, left.attempt + 1)
    try:
        await services.record(LoseWorker(left.execution_id, most), caller)
    except IllegalTransition as refusal:
        log.info("the execution moved on meanwhile", reason=str(refusal))
