"""The fold of agents, their versions and guardrails into tables."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

from ledger.agent import Archived, Changed, GuardrailAdded, Promoted, Registered, VersionAdded
from ledger.mapper import Recorded
from ledger.strict_json import decode_exact, encode
from projections.changes import Changes
from projections.projection import Page
from projections.times import micros_of

Row = dict[str, Any]

ACTIVE, ARCHIVED = "active", "archived"

metadata = MetaData()

agents = Table(
    "agents_v1",
    metadata,
    Column("id", String, primary_key=True),
    Column("workspace", String, nullable=False),
    Column("name", String, nullable=False),
    Column("name_folded", String, nullable=False, comment="as it is searched"),
    Column("type", String, nullable=False),
    Column("description", Text, nullable=False),
    Column("description_folded", Text, nullable=False),
    Column("labels", Text, nullable=False, comment="JSON list"),
    Column("status", String, nullable=False),
    Column("current_version_id", String),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

versions = Table(
    "agent_versions_v1",
    metadata,
    Column("agent_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("workspace", String, nullable=False),
    Column("sequence", Integer, nullable=False, comment="of its event; a later version's is more"),
    Column("version", String, nullable=False),
    Column("config", Text, nullable=False, comment="JSON, as recorded"),
    Column("input_schema", Text, nullable=False, comment="JSON"),
    Column("output_schema", Text, comment="JSON"),
    Column("message", Text, nullable=False),
    Column("given", Text, nullable=False, comment="JSON: whatever else came with it"),
    Column("created_at", BigInteger, nullable=False),
)

guardrails = Table(
    "agent_guardrails_v1",
    metadata,
    Column("agent_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("workspace", String, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("type", String, nullable=False),
    Column("scanner_type", String, nullable=False),
    Column("action", String, nullable=False),
    Column("config", Text, nullable=False, comment="JSON"),
    Column("is_active", Boolean, nullable=False),
    Column("sort_order", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

Index("agents_v1_created", *(agents.c[name] for name in ("workspace", "created_at", "id")))
Index("agents_v1_name", agents.c.workspace, agents.c.name)
Index("agent_versions_v1_newest", *(versions.c[name] for name in ("agent_id", "sequence")))


class _Fold(NamedTuple):
    agents: Changes
    versions: Changes
    guardrails: Changes


class Agents:
    """Agents with their versions and guardrails."""

    name: ClassVar[str] = "agents"
    version: ClassVar[int] = 1
    metadata: ClassVar[MetaData] = metadata
    topics: ClassVar[frozenset[str] | None] = frozenset(
        event.TOPIC
        for event in (Registered, Changed, VersionAdded, Promoted, GuardrailAdded, Archived)
    )

    def apply(self, connection: Connection, page: Page) -> None:
        """Fold the page."""
        fold = _Fold(Changes(agents), Changes(versions), Changes(guardrails))
        for event in page.events:
            _FOLLOW[event.topic](fold, event, micros_of(event.at))
        for changes in fold:
            changes.write(connection)


def _registered(fold: _Fold, event: Recorded, at: int) -> None:
    row = {
        "id": event.id,
        "workspace": event.envelope["workspace"],
        **_described(event.facts),
        "status": ACTIVE,
        "current_version_id": None,
        "created_at": at,
        "updated_at": at,
    }
    fold.agents.insert((event.id,), row)


def _changed(fold: _Fold, event: Recorded, at: int) -> None:
    fold.agents.update((event.id,), **_described(event.facts), updated_at=at)


def _version_added(fold: _Fold, event: Recorded, at: int) -> None:
    facts = decode_exact(event.payload)
    output_schema = facts.get("output_schema")
    row = {
        "agent_id": event.id,
        "id": facts["version_id"],
        "workspace": event.envelope["workspace"],
        "sequence": event.version,
        "version": facts["version"],
        "config": _text(facts["config"]),
        "input_schema": _text(facts["input_schema"]),
        "output_schema": None if output_schema is None else _text(output_schema),
        "message": facts["message"],
        "given": _text(facts["given"]),
        "created_at": at,
    }
    fold.versions.insert((event.id, row["id"]), row)
    fold.agents.update((event.id,), updated_at=at)


def _promoted(fold: _Fold, event: Recorded, at: int) -> None:
    version_id = event.facts["version_id"]
    fold.agents.update((event.id,), current_version_id=version_id, updated_at=at)


def _guardrail_added(fold: _Fold, event: Recorded, at: int) -> None:
    facts = decode_exact(event.payload)
    row = {
        "agent_id": event.id,
        "id": facts["guardrail_id"],
        "workspace": event.envelope["workspace"],
        "sequence": event.version,
        "type": facts["type"],
        "scanner_type": facts["scanner_type"],
        "action": facts["action"],
        "config": _text(facts["config"]),
        "is_active": facts["is_active"],
        "sort_order": facts["sort_order"],
        "created_at": at,
    }
    fold.guardrails.insert((event.id, row["id"]), row)
    fold.agents.update((event.id,), updated_at=at)


def _archived(fold: _Fold, event: Recorded, at: int) -> None:
    fold.agents.update((event.id,), status=ARCHIVED, updated_at=at)


def _described(facts: Mapping[str, Any]) -> Row:
    """The columns that come of what people say of an agent: those that are given."""
    row = {name: facts[name] for name in ("name", "type", "description") if name in facts}
    for name in ("name", "description"):
        if name in facts:
            row[f"{name}_folded"] = facts[name].casefold()
    if "labels" in facts:
        row["labels"] = _text(facts["labels"])
    return row


def _text(value: Any) -> str:
    return encode(value).decode()


_FOLLOW: Mapping[str, Callable[[_Fold, Recorded, int], None]] = {
    Registered.TOPIC: _registered,
    Changed.TOPIC: _changed,
    VersionAdded.TOPIC: _version_added,
    Promoted.TOPIC: _promoted,
    GuardrailAdded.TOPIC: _guardrail_added,
    Archived.TOPIC: _archived,
}
