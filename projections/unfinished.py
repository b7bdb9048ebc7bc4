"""What has not ended and somebody may have to see to, of every workspace: for whoever starts up."""

from typing import NamedTuple

from sqlalchemy import Connection, or_, select

from ledger.status import Status
from projections.execution_tables import executions

_OPEN = [status for status in Status if not status.is_terminal]


class Unfinished(NamedTuple):
    """An execution that somebody may have to work on, or to stop."""

    id: str
    workspace: str
    agent_id: str
    status: Status
    worker: str | None
    cancelling: bool


def unfinished(connection: Connection) -> list[Unfinished]:
    """What is to be executed, or to be cancelled, and has not ended; oldest first."""
    table = executions.c
    statement = (
        select(
            table.id,
            table.workspace,
            table.agent_id,
            table.status,
            table.worker,
            table.cancellation_requested,
        )
        .where(table.status.in_(_OPEN))
        .where(or_(table.mode == "execute", table.cancellation_requested))
        .order_by(table.created_at, table.id)
    )
    return [
        Unfinished(id_, workspace, agent_id, Status(status), worker, cancelling)
        for id_, workspace, agent_id, status, worker, cancelling in connection.execute(statement)
    ]


class Child(NamedTuple):
    """An execution whose parent is stopped, and that goes on."""

    id: str
    workspace: str
    parent_id: str
    parent_error_code: str | None


def children_to_stop(connection: Connection, parent_id: str | None = None) -> list[Child]:
    """Children of a stopped execution, or of any, that have not ended and nobody asked to stop."""
    child, parent = executions.alias("child"), executions.alias("parent")
    statement = (
        select(child.c.id, child.c.workspace, child.c.parent_id, parent.c.error_code)
        .join(parent, parent.c.id == child.c.parent_id)
        .where(child.c.status.in_(_OPEN), child.c.cancellation_requested.is_(False))
        .where(
            or_(
                parent.c.status == Status.CANCELLED,
                parent.c.cancellation_requested,
                parent.c.error_code == "budget_exceeded",
            )
        )
        .order_by(child.c.created_at, child.c.id)
    )
    if parent_id is not None:
        statement = statement.where(child.c.parent_id == parent_id)
    return [Child(*row) for row in connection.execute(statement)]
