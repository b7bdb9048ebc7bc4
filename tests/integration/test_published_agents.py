"""What the published client asks of agents; runs, streams and the rest are tried end to end."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from promptrails import PromptRails, ValidationError
from promptrails.agent_config import PromptAgentConfig

from server.app import build_app
from server.settings import Settings

CONFIG = PromptAgentConfig(prompt_id="p")
Use = Callable[[Callable[[Any], Any]], Any]


@pytest.fixture
async def use(settings: Settings) -> Any:
    """Does something with a published client in a thread of its own."""
    async with TestServer(build_app(settings, worker=False)) as server:
        with PromptRails(api_key="any", base_url=str(server.make_url("")), max_retries=0) as client:
            yield lambda does: asyncio.to_thread(does, client)


async def test_an_agent_lives_from_its_making_to_its_archival(use: Use) -> None:
    def live(client: Any) -> None:
        made = client.agents.create(name="Scribe", type="agent", description="d")
        changed = client.agents.update(made.id, description="writes letters")
        assert client.agents.get(made.id) == changed
        assert client.agents.list(name="Scribe").meta.total == 1
        client.agents.delete(made.id)
        assert client.agents.get(made.id).status == "archived"

    await use(live)


async def test_versions_are_added_promoted_and_listed(use: Use) -> None:
    def version(client: Any) -> None:
        id_ = client.agents.create(name="Scribe", type="agent").id
        tools = [{"mcp_tool_id": "t"}]
        first = client.agents.create_version(id_, version="1", config=CONFIG, tools=tools)
        second = client.agents.create_version(id_, version="2", config=CONFIG)
        assert (first.is_current, first.tools) == (True, tools)
        assert client.agents.promote_version(id_, second.id)["is_current"] is True
        listed = client.agents.list_versions(id_)
        assert [each.version for each in listed] == ["2", "1"]
        assert client.agents.get(id_).current_version.version == "2"

    await use(version)


async def test_an_input_is_tried_before_it_is_run(use: Use) -> None:
    def preview(client: Any) -> None:
        id_ = client.agents.create(name="Scribe", type="agent").id
        schema = {"type": "object", "required": ["q"]}
        client.agents.create_version(id_, version="1", config=CONFIG, input_schema=schema)
        assert client.agents.preview(id_, input={"q": 1})["valid"] is True
        with pytest.raises(ValidationError) as refusal:
            client.agents.preview(id_, input={})
        assert refusal.value.code == "invalid_input"
        played = client.agents.playground(id_, input={"q": 1}, prompt_override={"a": 1})
        assert played["metadata"] == {"prompt_override": {"a": 1}}

    await use(preview)


async def test_guardrails_are_noted_and_listed(use: Use) -> None:
    def guard(client: Any) -> None:
        id_ = client.agents.create(name="Scribe", type="agent").id
        made = client.agents.create_guardrail(id_, type="input", scanner_type="pii")
        assert client.agents.list_guardrails(id_) == [made]

    await use(guard)
