"""Agents: run them; their names, their versions, the version in force."""

from collections.abc import Mapping
from typing import Any

from ledger_client.method import Awaiting, Blocking, Method, Walk
from ledger_client.models import Agent, AgentVersion, Execution, Guardrail
from ledger_client.paging import Page, page_of
from ledger_client.record import Record, many, nothing, one
from ledger_client.request import Call, ask, place, write

Json = dict[str, Any]
Guardrails = list[Guardrail]


def _plain(value: Any) -> Any:
    """A configuration as JSON: objects of other clients know their own form."""
    to_dict = getattr(value, "to_dict", None)
    return to_dict() if callable(to_dict) else value


def _list(
    _: Any,
    *,
    page: int | None = None,
    limit: int | None = None,
    cursor: str | None = None,
    type: str | None = None,  # noqa: A002  the contract's name
    name: str | None = None,
    search: str | None = None,
    status: str | None = None,
) -> Call[Page[Agent]]:
    """Agents, newest first; archived ones only with `status` archived or all."""
    query = {"page": page, "limit": limit, "cursor": cursor, "type": type, "name": name}
    return ask("/agents", page_of(Agent), {**query, "search": search, "status": status})


class AgentMethods:
    """What there is to do with agents."""

    @Method
    def execute(
        self,
        agent_id: str,
        *,
        input: Mapping[str, Any],  # noqa: A002  the contract's name
        metadata: Mapping[str, Any] | None = None,
        async_mode: bool | None = None,
        session_id: str | None = None,
        version_id: str | None = None,
        user_id: str | None = None,
        sync: bool | None = None,
        parent_execution_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Execution]:
        """Have an agent run.

        Waits for the end, for a pause at an approval, or for 25 seconds; not at all with
        `async_mode=True` or `sync=False`. A run that fails is a result with status `failed`.

        Args:
            agent_id: of the agent.
            input: must satisfy the version's input schema.
            metadata: what the run can be found by.
            async_mode: answer at once.
            session_id: of the caller's own; groups runs.
            version_id: by default the version in force.
            user_id: on whose behalf, in the caller's own words.
            sync: False is another word for `async_mode=True`.
            parent_execution_id: the run that this one is a part of.
            idempotency_key: the same key runs once; by default each call is its own.

        Raises:
            BadRequest: with code `invalid_input`, and each violation in `details`.
        """
        body = {
            "input": dict(input),
            "metadata": None if metadata is None else dict(metadata),
            "async_mode": async_mode,
            "session_id": session_id,
            "version_id": version_id,
            "user_id": user_id,
            "sync": sync,
            "parent_execution_id": parent_execution_id,
        }
        path = place("agents", agent_id, "execute")
        return write("POST", path, one(Execution), body, idempotency_key)

    list = Method(_list)
    iterate = Walk(_list)

    @Method
    def get(self, agent_id: str) -> Call[Agent]:
        """One agent, with its version in force."""
        return ask(place("agents", agent_id), one(Agent))

    @Method
    def create(
        self,
        *,
        name: str,
        type: str = "agent",  # noqa: A002  the contract's name
        description: str = "",
        labels: Any = None,
    ) -> Call[Agent]:
        """Make an agent known. Its name must be free in the workspace."""
        body = {"name": name, "type": type, "description": description, "labels": labels}
        return write("POST", "/agents", one(Agent), body)

    @Method
    def update(self, /, agent_id: str, **changes: Any) -> Call[Agent]:
        """Change what is given of name, type, description and labels."""
        return write("PATCH", place("agents", agent_id), one(Agent), changes)

    @Method
    def delete(self, agent_id: str) -> Call[None]:
        """Archive it: it takes no more executions, its history stays."""
        return write("DELETE", place("agents", agent_id), nothing)

    archive = delete

    @Method
    def list_versions(
        self,
        agent_id: str,
        *,
        page: int | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Call[Page[AgentVersion]]:
        """Versions of an agent, newest first."""
        query = {"page": page, "limit": limit, "cursor": cursor}
        return ask(place("agents", agent_id, "versions"), page_of(AgentVersion), query)

    @Method
    def create_version(
        self,
        /,
        agent_id: str,
        *,
        version: str,
        config: Any = None,
        input_schema: Mapping[str, Any] | None = None,
        output_schema: Mapping[str, Any] | None = None,
        set_current: bool | None = None,
        message: str | None = None,
        **given: Any,
    ) -> Call[AgentVersion]:
        """Add a version. The first is in force at once, a later one with `set_current=True`.

        Args:
            agent_id: of the agent.
            version: its name, new among the agent's versions.
            config: a JSON object, or anything with a `to_dict` that gives one.
            input_schema: JSON Schema 2020-12 that inputs must satisfy.
            output_schema: kept as given.
            set_current: put it in force.
            message: why there is a new version.
            given: `model_config`, `run_budget`, `approval_policy`, `tools`, `sub_agents`,
                `guardrails`, `cache_timeout`, `vfs_enabled`, `masking_enabled`: kept as given.
        """
        body = {
            "version": version,
            "config": _plain(config),
            "input_schema": input_schema,
            "output_schema": output_schema,
            "set_current": set_current,
            "message": message,
            **{name: _plain(value) for name, value in given.items()},
        }
        return write("POST", place("agents", agent_id, "versions"), one(AgentVersion), body)

    @Method
    def promote_version(self, agent_id: str, version_id: str) -> Call[AgentVersion]:
        """Put a version in force."""
        path = place("agents", agent_id, "versions", version_id, "promote")
        return write("PUT", path, one(AgentVersion), {})

    @Method
    def preview(
        self,
        agent_id: str,
        *,
        input: Mapping[str, Any],  # noqa: A002  the contract's name
        version_id: str | None = None,
    ) -> Call[Record]:
        """Try an input: says which version would take it, and records nothing."""
        body = {"input": dict(input), "version_id": version_id}
        return write("POST", place("agents", agent_id, "preview"), one(Record), body)

    @Method
    def playground(
        self,
        agent_id: str,
        *,
        input: Mapping[str, Any],  # noqa: A002  the contract's name
        prompt_override: Mapping[str, Any],
        version_id: str | None = None,
    ) -> Call[Execution]:
        """Run an agent with another prompt, which is kept in the run's metadata."""
        body = {
            "input": dict(input),
            "prompt_override": dict(prompt_override),
            "version_id": version_id,
        }
        return write("POST", place("agents", agent_id, "playground"), one(Execution), body)

    @Method
    def list_guardrails(self, agent_id: str) -> Call[Guardrails]:
        """Guardrails that were noted for an agent."""
        return ask(place("agents", agent_id, "guardrails"), many(Guardrail))

    @Method
    def create_guardrail(
        self,
        /,
        agent_id: str,
        *,
        type: str,  # noqa: A002  the contract's name
        scanner_type: str,
        action: str = "block",
        **given: Any,
    ) -> Call[Guardrail]:
        """Note a guardrail. The ledger keeps it and enforces none."""
        body = {"type": type, "scanner_type": scanner_type, "action": action, **given}
        return write("POST", place("agents", agent_id, "guardrails"), one(Guardrail), body)


class Agents(AgentMethods, Blocking):
    """Agents, for the blocking client."""


class AsyncAgents(AgentMethods, Awaiting):
    """Agents, for the asyncio client."""
