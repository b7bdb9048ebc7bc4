"""Agents: their names, their versions, the version in force."""

from http import HTTPStatus
from typing import Any

from ledger import commands as c
from ledger.errors import AgentArchived
from ledger.schema import check_input
from projections import agents
from server.api import executions
from server.auth import Permission
from server.route import Answer, Call, Empty, Route, nothing, one, page
from server.schemas import agents as s
from server.schemas.executions import Execution
from server.schemas.paging import PageQuery

_AGENTS = "/api/v1/agents"
_AGENT = f"{_AGENTS}/{{agent_id}}"
_PROMOTE = f"{_AGENT}/versions/{{version_id}}/promote"


async def list_(call: Call) -> Answer:
    """Agents, newest first."""
    asked = call.query.model_dump(include={"type", "name", "search"})
    status = None if call.query.status == "all" else call.query.status
    found = await call.services.query(
        lambda connection: agents.list_agents(
            connection, call.workspace, call.query.wanted, status=status, **asked
        )
    )
    return page(found.items, found.meta)


async def register(call: Call) -> Answer:
    """Make an agent known. Its name must be free in the workspace."""
    body = call.body
    command = c.RegisterAgent(body.name, body.type, body.description, body.labels)
    receipt = await call.services.record(command, await call.caller(), call.size())
    return one(await _agent(call, receipt.id), status=HTTPStatus.CREATED)


async def show(call: Call) -> Answer:
    """One agent with its current version."""
    return one(await _agent(call, call.path("agent_id")))


async def change(call: Call) -> Answer:
    """Change what is given of name, type, description and labels."""
    command = c.ChangeAgent(call.path("agent_id"), call.body.model_dump(exclude_none=True))
    receipt = await call.services.record(command, await call.caller(), call.size())
    return one(await _agent(call, receipt.id))


async def archive(call: Call) -> Answer:
    """Take no more executions. The history stays, and the name is free again."""
    await call.services.record(c.ArchiveAgent(call.path("agent_id")), await call.caller())
    return nothing()


async def list_versions(call: Call) -> Answer:
    """Versions of an agent, newest first."""
    found = await call.services.query(
        lambda connection: agents.list_versions(
            connection, call.workspace, call.path("agent_id"), call.query.wanted
        )
    )
    return page(found.items, found.meta)


async def add_version(call: Call) -> Answer:
    """Add a version. The first is current at once; a later one if `set_current` says so."""
    body = call.body
    facts = {
        "version": body.version,
        "config": body.config,
        "input_schema": body.input_schema or {},
        "output_schema": body.output_schema,
        "message": body.message or "",
        "given": body.given,
    }
    command = c.AddVersion(call.path("agent_id"), facts, promote=bool(body.set_current))
    receipt = await call.services.record(command, await call.caller(), call.size())
    return one(await _version(call, receipt.id, receipt.subject), status=HTTPStatus.CREATED)


async def promote(call: Call) -> Answer:
    """Put a version in force. Nothing happens when it is already."""
    command = c.PromoteVersion(call.path("agent_id"), call.path("version_id"))
    receipt = await call.services.record(command, await call.caller())
    return one(await _version(call, receipt.id, receipt.subject))


async def list_guardrails(call: Call) -> Answer:
    """Guardrails of an agent, in their order."""
    found = await call.services.query(
        lambda connection: agents.list_guardrails(connection, call.workspace, call.path("agent_id"))
    )
    return one(found)


async def add_guardrail(call: Call) -> Answer:
    """Note a guardrail. The ledger keeps it and enforces none."""
    body = call.body
    facts = {
        "type": body.type,
        "scanner_type": body.scanner_type,
        "action": body.action,
        "config": body.config or {},
        "is_active": body.is_active is not False,
        "sort_order": body.sort_order or 0,
    }
    command = c.AddGuardrail(call.path("agent_id"), facts)
    receipt = await call.services.record(command, await call.caller(), call.size())
    found = await call.services.query(
        lambda connection: agents.get_guardrail(
            connection, call.workspace, receipt.id, receipt.subject or ""
        )
    )
    return one(found, status=HTTPStatus.CREATED)


async def preview(call: Call) -> Answer:
    """Try an input: says by which version it would be accepted, and records nothing."""
    agent = await _agent(call, call.path("agent_id"))
    if agent["status"] == "archived":
        raise AgentArchived(agent["id"])
    version = agent["current_version"]
    if call.body.version_id:
        version = await _version(call, agent["id"], call.body.version_id)
    check_input({} if version is None else version["input_schema"], call.body.input)
    return one(
        {
            "agent_id": agent["id"],
            "version_id": "" if version is None else version["id"],
            "version": "" if version is None else version["version"],
            "input": call.body.input,
            "valid": True,
        }
    )


async def playground(call: Call) -> Answer:
    """Run an agent with another prompt; the prompt is kept in the execution's metadata."""
    metadata = {**(call.body.metadata or {}), "prompt_override": call.body.prompt_override}
    return await executions.begin(call, call.body.model_copy(update={"metadata": metadata}))


async def _agent(call: Call, id_: str) -> dict[str, Any]:
    return await call.services.query(
        lambda connection: agents.get_agent(connection, call.workspace, id_)
    )


async def _version(call: Call, agent_id: str, version_id: str | None) -> dict[str, Any]:
    return await call.services.query(
        lambda connection: agents.get_version(
            connection, call.workspace, agent_id, version_id or ""
        )
    )


def _route(method: str, path: str, handle: Any, summary: str, **more: Any) -> Route:
    more.setdefault("answer", s.Agent)
    return Route(method=method, path=path, handle=handle, summary=summary, tag="agents", **more)


_WRITE: Any = {"needs": Permission.ADMINISTER}
_RUN: Any = {"needs": Permission.RECORD}
_CREATED: Any = {"status": HTTPStatus.CREATED}

ROUTES = (
    _route("GET", _AGENTS, list_, "List agents", query=s.AgentsQuery, many="page"),
    _route("POST", _AGENTS, register, "Register an agent", body=s.AgentBody, **_WRITE, **_CREATED),
    _route("GET", _AGENT, show, "Show an agent"),
    _route("PATCH", _AGENT, change, "Change an agent", body=s.AgentChange, **_WRITE),
    _route(
        "DELETE",
        _AGENT,
        archive,
        "Archive an agent",
        answer=None,
        status=HTTPStatus.NO_CONTENT,
        **_WRITE,
    ),
    _route(
        "GET",
        f"{_AGENT}/versions",
        list_versions,
        "List the versions of an agent",
        query=PageQuery,
        answer=s.AgentVersion,
        many="page",
    ),
    _route(
        "POST",
        f"{_AGENT}/versions",
        add_version,
        "Add a version to an agent",
        body=s.VersionBody,
        answer=s.AgentVersion,
        **_WRITE,
        **_CREATED,
    ),
    *(
        _route(
            method,
            _PROMOTE,
            promote,
            "Put a version in force",
            body=Empty,
            answer=s.AgentVersion,
            **_WRITE,
        )
        for method in ("PUT", "POST")
    ),
    _route(
        "GET",
        f"{_AGENT}/guardrails",
        list_guardrails,
        "List the guardrails of an agent",
        answer=s.Guardrail,
        many="list",
    ),
    _route(
        "POST",
        f"{_AGENT}/guardrails",
        add_guardrail,
        "Note a guardrail of an agent",
        body=s.GuardrailBody,
        answer=s.Guardrail,
        **_WRITE,
        **_CREATED,
    ),
    _route(
        "POST",
        f"{_AGENT}/preview",
        preview,
        "Try an input, recording nothing",
        body=s.PreviewBody,
        answer=s.Preview,
    ),
    _route(
        "POST",
        f"{_AGENT}/playground",
        playground,
        "Run an agent with another prompt",
        body=s.PlaygroundBody,
        answer=Execution,
        **_RUN,
        **_CREATED,
    ),
)
