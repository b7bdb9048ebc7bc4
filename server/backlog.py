"""What an in-process worker finds at its start: work that waits, and what dead processes left."""

from collections.abc import Collection
from functools import partial

import structlog
from sqlalchemy import Connection

from ledger.commands import LoseWorker
from ledger.errors import IllegalTransition
from ledger.orders import Caller
from ledger.status import Status
from projections import executions
from projections.filters import parse_filters
from server.assignment import Assignment, assignment_of
from server.services import Services

_WAITS = (Status.PENDING, Status.APPROVED)
_VIEW = "executions"
_PATIENCE_SECONDS = 60.0

log = structlog.get_logger()


async def unfinished(
    services: Services, workspace: str, agent_ids: Collection[str], statuses: Collection[Status]
) -> list[str]:
    """Executions of some agents in some statuses, oldest first, once the views know them all."""
    position = services.ledger.position
    while not await services.catch_up.reached(position, _PATIENCE_SECONDS, _VIEW):
        log.warning("waiting for the views, to find unfinished executions", position=position)
    found: list[str] = []
    for agent_id in agent_ids:
        found += await _of_agent(services, workspace, agent_id, statuses)
    return found


async def _of_agent(
    services: Services, workspace: str, agent_id: str, statuses: Collection[Status]
) -> list[str]:
    wanted = {"agent_id": agent_id, "status": ",".join(statuses), "limit": "100"}
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


async def waiting(services: Services, workspace: str, agent_ids: Collection[str]) -> list[str]:
    """The executions that wait to be taken up, oldest first."""
    return await unfinished(services, workspace, agent_ids, _WAITS)


async def give_up_the_dead(
    services: Services, caller: Caller, agent_ids: Collection[str], alive: str
) -> None:
    """Record the loss of every in-process worker but one.

    There is one server per ledger, so whoever else worked in a server's process is gone.
    """
    running = await unfinished(services, caller.workspace, agent_ids, [Status.RUNNING])
    for id_ in running:
        facts = await services.read(partial(services.ledger.read_facts, id_))
        seen = assignment_of(facts)
        if seen.is_at_embedded and seen.worker != alive:
            await give_up(services, caller, seen)


async def give_up(services: Services, caller: Caller, left: Assignment) -> None:
    """Record the loss of an in-process worker that is gone: the execution begins anew, or fails.

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
