"""Agents as one may ask for them: a list, one with its current version, versions, guardrails."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, or_, select, tuple_

from ledger.errors import NotFound
from ledger.strict_json import decode_exact
from projections.agent_rows import Agents, agents, guardrails, versions
from projections.pages import Listing, Order, PageRequest, counted, fetch
from projections.times import text_of

__all__ = [
    "Agents",
    "find_agent",
    "get_agent",
    "get_guardrail",
    "get_version",
    "list_agents",
    "list_guardrails",
    "list_versions",
]

Json = dict[str, Any]

_GIVEN: Final[Mapping[str, Any]] = {
    "model_config": None,
    "run_budget": None,
    "approval_policy": None,
    "tools": (),
    "sub_agents": (),
    "guardrails": (),
    "cache_timeout": None,
    "vfs_enabled": None,
    "masking_enabled": None,
}
"""What a version may carry for others to read, and what it is where it was not given."""

_PLAIN = ("type", "scanner_type", "action", "is_active", "sort_order")


def list_agents(
    connection: Connection,
    workspace: str,
    request: PageRequest,
    *,
    type: str | None = None,  # noqa: A002 - the name on the wire
    name: str | None = None,
    search: str | None = None,
    status: str | None = None,
) -> Listing:
    """A page of the agents of a workspace, newest first.

    Args:
        connection: to the views.
        workspace: of the agents.
        request: which page.
        type: of the agents.
        name: the whole name.
        search: a part of the name or the description, whatever its case.
        status: active or archived.

    Raises:
        InvalidQuery: the cursor is not one of this list.
    """
    matching = select(agents).where(agents.c.workspace == workspace)
    for column, value in ((agents.c.type, type), (agents.c.name, name), (agents.c.status, status)):
        if value is not None:
            matching = matching.where(column == value)
    if search:
        matching = matching.where(_contains(search.casefold()))
    order = Order("-created_at", agents.c.created_at, agents.c.id)
    page = fetch(connection, matching, order, request, lambda: counted(connection, matching))
    return page._replace(items=_with_versions(connection, page.items))


def get_agent(connection: Connection, workspace: str, id_: str) -> Json:
    """One agent with its current version.

    Raises:
        NotFound: there is none in this workspace.
    """
    agent = _first(connection, workspace, agents.c.id == id_)
    if agent is None:
        raise NotFound("agent", id_)
    return agent


def find_agent(connection: Connection, workspace: str, name: str) -> Json | None:
    """The agent that has a name; None when none has. Archived agents gave theirs up."""
    return _first(connection, workspace, (agents.c.name == name) & (agents.c.status == "active"))


def list_versions(
    connection: Connection, workspace: str, agent_id: str, request: PageRequest
) -> Listing:
    """A page of the versions of an agent, newest first.

    Raises:
        NotFound: there is no such agent in this workspace.
        InvalidQuery: the cursor is not one of this list.
    """
    get_agent(connection, workspace, agent_id)
    matching = _versions(workspace).where(versions.c.agent_id == agent_id)
    order = Order("-sequence", versions.c.sequence, versions.c.id)
    page = fetch(connection, matching, order, request, lambda: counted(connection, matching))
    return page._replace(items=[represent_version(row) for row in page.items])


def get_version(connection: Connection, workspace: str, agent_id: str, version_id: str) -> Json:
    """One version of an agent.

    Raises:
        NotFound: there is none in this workspace.
    """
    wanted = _versions(workspace).where(
        versions.c.agent_id == agent_id, versions.c.id == version_id
    )
    row = connection.execute(wanted).mappings().first()
    if row is None:
        raise NotFound("version", version_id)
    return represent_version(row)


def list_guardrails(connection: Connection, workspace: str, agent_id: str) -> list[Json]:
    """The guardrails of an agent in the order that was given them.

    Raises:
        NotFound: there is no such agent in this workspace.
    """
    get_agent(connection, workspace, agent_id)
    wanted = select(guardrails).where(
        guardrails.c.workspace == workspace, guardrails.c.agent_id == agent_id
    )
    rows = connection.execute(wanted.order_by(guardrails.c.sort_order, guardrails.c.sequence))
    return [represent_guardrail(row) for row in rows.mappings()]


def get_guardrail(connection: Connection, workspace: str, agent_id: str, id_: str) -> Json:
    """One guardrail of an agent.

    Raises:
        NotFound: there is none in this workspace.
    """
    wanted = select(guardrails).where(
        guardrails.c.workspace == workspace,
        guardrails.c.agent_id == agent_id,
        guardrails.c.id == id_,
    )
    row = connection.execute(wanted).mappings().first()
    if row is None:
        raise NotFound("guardrail", id_)
    return represent_guardrail(row)


def _contains(folded: str) -> ColumnElement[bool]:
    columns = (agents.c.name_folded, agents.c.description_folded)
    return or_(*(column.contains(folded, autoescape=True) for column in columns))


def _first(connection: Connection, workspace: str, condition: ColumnElement[bool]) -> Json | None:
    wanted = select(agents).where(agents.c.workspace == workspace, condition)
    rows = list(connection.execute(wanted.limit(1)).mappings())
    return _with_versions(connection, rows)[0] if rows else None


def _with_versions(connection: Connection, rows: Collection[Mapping[Any, Any]]) -> list[Json]:
    """Agents with their current versions, which are read at once."""
    keys = [(row["id"], row["current_version_id"]) for row in rows]
    wanted = select(versions, versions.c.id.label("current_version_id")).where(
        tuple_(versions.c.agent_id, versions.c.id).in_(keys)
    )
    found = {
        (row["agent_id"], row["id"]): represent_version(row)
        for row in connection.execute(wanted).mappings()
    }
    return [represent(row, found.get(key)) for row, key in zip(rows, keys, strict=True)]


def _versions(workspace: str) -> Select[Any]:
    return (
        select(versions, agents.c.current_version_id)
        .join(agents, agents.c.id == versions.c.agent_id)
        .where(versions.c.workspace == workspace, agents.c.workspace == workspace)
    )


def represent(row: Mapping[Any, Any], current_version: Json | None) -> Json:
    """The JSON object of an agent."""
    return {
        "id": row["id"],
        "workspace_id": row["workspace"],
        "name": row["name"],
        "description": row["description"],
        "type": row["type"],
        "status": row["status"],
        "labels": decode_exact(row["labels"].encode()),
        "created_at": text_of(row["created_at"]),
        "updated_at": text_of(row["updated_at"]),
        "current_version": current_version,
    }


def represent_version(row: Mapping[Any, Any]) -> Json:
    """The JSON object of a version; the row knows, too, which version is current."""
    is_current = row["id"] == row["current_version_id"]
    output_schema = row["output_schema"]
    return {
        "id": row["id"],
        "agent_id": row["agent_id"],
        "version": row["version"],
        "config": decode_exact(row["config"].encode()),
        "input_schema": decode_exact(row["input_schema"].encode()),
        "output_schema": None if output_schema is None else decode_exact(output_schema.encode()),
        "is_current": is_current,
        "is_active": is_current,
        "message": row["message"],
        "created_at": text_of(row["created_at"]),
        **_GIVEN,
        **decode_exact(row["given"].encode()),
    }


def represent_guardrail(row: Mapping[Any, Any]) -> Json:
    """The JSON object of a guardrail. It never changes, so both its times are the same."""
    at = text_of(row["created_at"])
    known = {name: row[name] for name in ("id", "agent_id", *_PLAIN)}
    return {
        **known,
        "config": decode_exact(row["config"].encode()),
        "created_at": at,
        "updated_at": at,
    }
