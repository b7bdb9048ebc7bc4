"""Approvals as one may ask for them: a list, one, what an execution waits for, what is due."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, select

from ledger.errors import NotFound
from projections.approval_rows import PENDING, approvals
from projections.pages import Listing, Order, PageRequest, counted, fetch
from projections.times import text_of

Json = dict[str, Any]

_MOST_DUE = 1_000


class Due(NamedTuple):
    """A request that nobody answered in time."""

    workspace: str
    execution_id: str
    id: str


def list_approvals(
    connection: Connection, workspace: str, request: PageRequest, *, status: str | None = None
) -> Listing:
    """A page of the requests of a workspace, newest first; of one status if given.

    Raises:
        InvalidQuery: the cursor is not one of this list.
    """
    matching = select(approvals).where(approvals.c.workspace == workspace)
    if status is not None:
        matching = matching.where(approvals.c.status == status)
    order = Order("-created_at", approvals.c.created_at, approvals.c.id)
    page = fetch(connection, matching, order, request, lambda: counted(connection, matching))
    return page._replace(items=[represent(row) for row in page.items])


def get_approval(connection: Connection, workspace: str, id_: str) -> Json:
    """One request.

    Raises:
        NotFound: there is none in this workspace.
    """
    wanted = select(approvals).where(approvals.c.workspace == workspace, approvals.c.id == id_)
    row = connection.execute(wanted).mappings().first()
    if row is None:
        raise NotFound("approval", id_)
    return represent(row)


def pending_of(connection: Connection, workspace: str, execution_id: str) -> Json | None:
    """The request that an execution waits for; None when it waits for none."""
    return pending_of_each(connection, workspace, [execution_id]).get(execution_id)


def pending_of_each(
    connection: Connection, workspace: str, execution_ids: Collection[str]
) -> dict[str, Json]:
    """By execution, the requests that some executions wait for."""
    wanted = select(approvals).where(
        approvals.c.workspace == workspace,
        approvals.c.execution_id.in_(execution_ids),
        approvals.c.status == PENDING,
    )
    rows = connection.execute(wanted).mappings()
    return {row["execution_id"]: represent(row) for row in rows}


def due_approvals(connection: Connection, now: int) -> list[Due]:
    """Requests of all workspaces that nobody answered in time, the longest overdue first.

    Args:
        connection: to the views.
        now: microseconds since 1970.

    Returns:
        At most a thousand of them; the rest is due the next time.
    """
    wanted = (
        select(approvals.c.workspace, approvals.c.execution_id, approvals.c.id)
        .where(approvals.c.status == PENDING, approvals.c.expires_at <= now)
        .order_by(approvals.c.expires_at, approvals.c.id)
        .limit(_MOST_DUE)
    )
    return [Due(*row) for row in connection.execute(wanted)]


_AS_THEY_ARE = (
    "payload_digest",
    "held_back",
    "requested_by",
    "requested_by_name",
    "required_role",
    "not_requester",
    "on_reject",
    "supersedes",
    "superseded_by",
    "status",
    "reason",
    "decided_by",
    "decided_by_name",
    "decided_auth",
    "decided_role",
    "decided_digest",
)


def represent(row: Mapping[Any, Any]) -> Json:
    """The JSON object of a request. The payload stands in it exactly as it was recorded."""
    return {
        "id": row["id"],
        "execution_id": row["execution_id"],
        "workspace_id": row["workspace"],
        "agent_id": row["agent_id"],
        "checkpoint_name": row["checkpoint_name"],
        "payload": orjson.Fragment(row["payload"]),
        **{name: row[name] for name in _AS_THEY_ARE},
        "decided_at": text_of(row["decided_at"]),
        "expires_at": text_of(row["expires_at"]),
        "created_at": text_of(row["created_at"]),
    }
