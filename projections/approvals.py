"""Approvals: what humans were asked, and what came of it.

A request is `pending`, then `approved`, `rejected` or `expired`. It is `cancelled` when its
execution was cancelled, or failed, while the request was open: then nobody decided, and nobody can
any more.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import orjson
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    select,
)

from ledger import events as e
from ledger.errors import NotFound
from ledger.mapper import Recorded
from ledger.status import Status
from ledger.strict_json import decode_exact, encode
from projections.changes import Changes
from projections.dialect import index_where_set
from projections.pages import Listing, Order, PageRequest, counted, fetch
from projections.projection import Page
from projections.times import micros_of, text_of
from projections.topics import of_topics

Json = dict[str, Any]

_PENDING = "pending"
_MOST_DUE = 1_000

metadata = MetaData()

approvals = Table(
    "approvals_v1",
    metadata,
    Column("id", String, primary_key=True),
    Column("workspace", String, nullable=False),
    Column("execution_id", String, nullable=False),
    Column("agent_id", String, nullable=False),
    Column("checkpoint_name", String, nullable=False),
    Column("payload", Text, nullable=False, comment="JSON, as recorded"),
    Column("payload_digest", String, nullable=False),
    Column("status", String, nullable=False),
    Column("reason", Text, comment="of the decision, or why none was taken"),
    Column("decided_by", String, comment="null when nobody did"),
    Column("decided_at", BigInteger, comment="when it ceased to be pending"),
    Column("expires_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
)

Index("approvals_v1_created", *(approvals.c[n] for n in ("workspace", "created_at", "id")))
Index("approvals_v1_status", *(approvals.c[n] for n in ("workspace", "status", "created_at", "id")))
Index("approvals_v1_execution", approvals.c.execution_id, approvals.c.status)
index_where_set(
    "approvals_v1_due",
    approvals.c.status,
    approvals.c.expires_at,
    given=approvals.c.expires_at,
)

_LAPSE = (
    approvals.update()
    .where(
        approvals.c.execution_id == bindparam("of_execution"),
        approvals.c.status == _PENDING,
    )
    .values({name: bindparam(f"new_{name}") for name in ("status", "reason", "decided_at")})
)


class Due(NamedTuple):
    """A request that nobody answered in time."""

    workspace: str
    execution_id: str
    id: str


_TOPICS = frozenset(
    event.TOPIC
    for event in (
        e.ApprovalRequested,
        e.Approved,
        e.Rejected,
        e.ApprovalExpired,
        e.Cancelled,
        e.Failed,
    )
)


class Approvals:
    """Requests for approval, by id, status and execution."""

    name: ClassVar[str] = "approvals"
    version: ClassVar[int] = 1
    metadata: ClassVar[MetaData] = metadata
    topics: ClassVar[frozenset[str] | None] = _TOPICS

    def apply(self, connection: Connection, page: Page) -> None:
        """Fold the page. The end of an execution comes after all its decisions."""
        changes = Changes(approvals)
        lapsed: list[Json] = []
        for event in of_topics(page, _TOPICS):
            if event.topic == e.ApprovalRequested.TOPIC:
                row = _requested(event, page)
                changes.insert((row["id"],), row)
            elif event.topic in _DECISIONS:
                facts = event.facts
                changes.update((facts["approval_id"],), **_DECISIONS[event.topic](facts, event))
            elif event.topic in _ENDINGS and event.facts["previous"] == Status.AWAITING_APPROVAL:
                lapsed.append(_lapsed(event))
        changes.write(connection)
        if lapsed:
            connection.execute(_LAPSE, lapsed)


def _requested(event: Recorded, page: Page) -> Json:
    facts = decode_exact(event.payload)
    identity = page.identities[event.id]
    expires_at = facts.get("expires_at")
    return {
        "id": facts["approval_id"],
        "workspace": identity.workspace,
        "execution_id": event.id,
        "agent_id": identity.agent_id,
        "checkpoint_name": facts["checkpoint_name"],
        "payload": encode(facts["payload"]).decode(),
        "payload_digest": facts["payload_digest"],
        "status": _PENDING,
        "reason": None,
        "decided_by": None,
        "decided_at": None,
        "expires_at": None if expires_at is None else micros_of(expires_at),
        "created_at": micros_of(facts.get("occurred_at") or event.at),
    }


def _decided(status: str) -> Callable[[Json, Recorded], Json]:
    def decided(facts: Json, event: Recorded) -> Json:
        return {
            "status": status,
            "reason": facts.get("reason"),
            "decided_by": event.envelope["actor"]["id"],
            "decided_at": micros_of(facts.get("occurred_at") or event.at),
        }

    return decided


def _expired(_facts: Json, event: Recorded) -> Json:
    return {"status": "expired", "decided_at": micros_of(event.at)}


_DECISIONS: Mapping[str, Callable[[Json, Recorded], Json]] = {
    e.Approved.TOPIC: _decided("approved"),
    e.Rejected.TOPIC: _decided("rejected"),
    e.ApprovalExpired.TOPIC: _expired,
}

_ENDINGS = {
    e.Cancelled.TOPIC: "the execution was cancelled",
    e.Failed.TOPIC: "the execution failed",
}


def _lapsed(event: Recorded) -> Json:
    facts = event.facts
    said = facts.get("reason") or facts.get("error")
    why = _ENDINGS[event.topic]
    return {
        "of_execution": event.id,
        "new_status": "cancelled",
        "new_reason": f"{why}: {said}" if said else why,
        "new_decided_at": micros_of(facts.get("occurred_at") or event.at),
    }


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
    wanted = select(approvals).where(
        approvals.c.workspace == workspace,
        approvals.c.execution_id == execution_id,
        approvals.c.status == _PENDING,
    )
    row = connection.execute(wanted).mappings().first()
    return None if row is None else represent(row)


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
        .where(approvals.c.status == _PENDING, approvals.c.expires_at <= now)
        .order_by(approvals.c.expires_at, approvals.c.id)
        .limit(_MOST_DUE)
    )
    return [Due(*row) for row in connection.execute(wanted)]


def represent(row: Mapping[Any, Any]) -> Json:
    """The JSON object of a request. The payload stands in it exactly as it was recorded."""
    return {
        "id": row["id"],
        "execution_id": row["execution_id"],
        "workspace_id": row["workspace"],
        "agent_id": row["agent_id"],
        "checkpoint_name": row["checkpoint_name"],
        "payload": orjson.Fragment(row["payload"]),
        "payload_digest": row["payload_digest"],
        "status": row["status"],
        "reason": row["reason"],
        "decided_by": row["decided_by"],
        "decided_at": text_of(row["decided_at"]),
        "expires_at": text_of(row["expires_at"]),
        "created_at": text_of(row["created_at"]),
    }
