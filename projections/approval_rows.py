"""The fold of approvals into a table: what humans were asked, and what came of it.

A request is `pending`, then `approved`, `rejected`, `superseded` by an edit of it, or `expired`. It
is `cancelled` when its execution was cancelled, or failed, while the request was open: then nobody
decided, and nobody can any more.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
)

from ledger import events as e
from ledger.mapper import Recorded
from ledger.status import Status
from ledger.strict_json import decode_exact, encode
from projections.changes import Changes
from projections.dialect import index_where_set
from projections.projection import Page
from projections.times import micros_of

Json = dict[str, Any]

PENDING: Final = "pending"

metadata = MetaData()

approvals = Table(
    "approvals_v2",
    metadata,
    Column("id", String, primary_key=True),
    Column("workspace", String, nullable=False),
    Column("execution_id", String, nullable=False),
    Column("agent_id", String, nullable=False),
    Column("checkpoint_name", String, nullable=False),
    Column("payload", Text, nullable=False, comment="JSON, as recorded"),
    Column("payload_digest", String, nullable=False),
    Column("held_back", Boolean, nullable=False, comment="whether it is about finished work"),
    Column("requested_by", String, nullable=False),
    Column("requested_by_name", String),
    Column("required_role", String),
    Column("not_requester", Boolean, nullable=False),
    Column("on_reject", String, nullable=False),
    Column("supersedes", String, comment="the request that this one is an edit of"),
    Column("superseded_by", String),
    Column("status", String, nullable=False),
    Column("reason", Text, comment="of the decision, or why none was taken"),
    Column("decided_by", String, comment="null when nobody did"),
    Column("decided_by_name", String),
    Column("decided_auth", String, comment="how they were authenticated"),
    Column("decided_role", String),
    Column("decided_digest", String, comment="of what they decided on"),
    Column("decided_at", BigInteger, comment="when it ceased to be pending"),
    Column("expires_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
)

Index("approvals_v2_created", *(approvals.c[n] for n in ("workspace", "created_at", "id")))
Index("approvals_v2_status", *(approvals.c[n] for n in ("workspace", "status", "created_at", "id")))
Index("approvals_v2_execution", approvals.c.execution_id, approvals.c.status)
index_where_set(
    "approvals_v2_due",
    approvals.c.status,
    approvals.c.expires_at,
    given=approvals.c.expires_at,
)

_LAPSE = (
    approvals.update()
    .where(
        approvals.c.execution_id == bindparam("of_execution"),
        approvals.c.status == PENDING,
    )
    .values({name: bindparam(f"new_{name}") for name in ("status", "reason", "decided_at")})
)


class Approvals:
    """Requests for approval, by id, status and execution."""

    name: ClassVar[str] = "approvals"
    version: ClassVar[int] = 2
    metadata: ClassVar[MetaData] = metadata
    topics: ClassVar[frozenset[str] | None] = frozenset(
        event.TOPIC
        for event in (
            e.ApprovalRequested,
            e.ApprovalSuperseded,
            e.Approved,
            e.Rejected,
            e.Denied,
            e.ApprovalExpired,
            e.Cancelled,
            e.Failed,
        )
    )

    def apply(self, connection: Connection, page: Page) -> None:
        """Fold the page. The end of an execution comes after all its decisions."""
        changes = Changes(approvals)
        lapsed: list[Json] = []
        for event in page.events:
            if event.topic in _REQUESTS:
                _ask(changes, event, page)
            elif event.topic in _DECISIONS:
                facts = event.facts
                changes.update((facts["approval_id"],), **_DECISIONS[event.topic](facts, event))
            elif event.topic in _ENDINGS and event.facts["previous"] == Status.AWAITING_APPROVAL:
                lapsed.append(_lapsed(event))
        changes.write(connection)
        if lapsed:
            connection.execute(_LAPSE, lapsed)


def _ask(changes: Changes, event: Recorded, page: Page) -> None:
    """A new request; one that is an edit is the end of the request before it."""
    facts = decode_exact(event.payload)
    row = _requested(facts, event, page)
    changes.insert((row["id"],), row)
    if event.topic == e.ApprovalSuperseded.TOPIC:
        changes.update(
            (facts["supersedes"],),
            status="superseded",
            superseded_by=row["id"],
            reason=facts.get("reason"),
            decided_at=row["created_at"],
        )


def _requested(facts: Json, event: Recorded, page: Page) -> Json:
    identity = page.identities[event.id]
    actor = event.envelope["actor"]
    expires_at = facts.get("expires_at")
    return {
        **_UNDECIDED,
        "id": facts["approval_id"],
        "workspace": identity.workspace,
        "execution_id": event.id,
        "agent_id": identity.agent_id,
        "checkpoint_name": facts["checkpoint_name"],
        "payload": encode(facts["payload"]).decode(),
        "payload_digest": facts["payload_digest"],
        "held_back": facts.get("held_back", False),
        "requested_by": actor["id"],
        "requested_by_name": actor.get("name"),
        "required_role": facts.get("required_role"),
        "not_requester": facts.get("not_requester", False),
        "on_reject": facts.get("on_reject", "end"),
        "supersedes": facts.get("supersedes"),
        "status": PENDING,
        "expires_at": None if expires_at is None else micros_of(expires_at),
        "created_at": micros_of(facts.get("occurred_at") or event.at),
    }


_UNDECIDED: Final[Json] = dict.fromkeys(
    (
        "superseded_by",
        "reason",
        "decided_by",
        "decided_by_name",
        "decided_auth",
        "decided_role",
        "decided_digest",
        "decided_at",
    )
)


def _decided(status: str) -> Callable[[Json, Recorded], Json]:
    def decided(facts: Json, event: Recorded) -> Json:
        actor = event.envelope["actor"]
        return {
            "status": status,
            "reason": facts.get("reason"),
            "decided_by": actor["id"],
            "decided_by_name": actor.get("name"),
            "decided_auth": actor["auth"],
            "decided_role": facts.get("role"),
            "decided_digest": facts.get("payload_digest"),
            "decided_at": micros_of(facts.get("occurred_at") or event.at),
        }

    return decided


def _expired(facts: Json, event: Recorded) -> Json:
    return {
        "status": "expired",
        "reason": facts.get("reason"),
        "decided_at": micros_of(event.at),
    }


def _denied(facts: Json, event: Recorded) -> Json:
    """A no that does not end the execution; it is the server's where nobody answered in time."""
    return _expired(facts, event) if facts.get("expired") else _decided("rejected")(facts, event)


_REQUESTS = {e.ApprovalRequested.TOPIC, e.ApprovalSuperseded.TOPIC}

_DECISIONS: Mapping[str, Callable[[Json, Recorded], Json]] = {
    e.Approved.TOPIC: _decided("approved"),
    e.Rejected.TOPIC: _decided("rejected"),
    e.Denied.TOPIC: _denied,
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
