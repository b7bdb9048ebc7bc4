"""One run of a chat agent: the model speaks, tools are called, and all of it is recorded."""

from typing import Any

from pydantic_ai import Agent, CallToolsNode, ModelRequestNode, UsageLimits
from pydantic_ai.messages import (
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
)
from pydantic_ai.run import AgentRun

from ledger_client.chat.conversation import Asked
from ledger_client.chat.endpoint import Endpoint
from ledger_client.chat.speech import Kind, Speech, whole
from ledger_client.chat.spent import counts_of, usage_in
from ledger_client.chat.tools import record_refused
from ledger_client.work.run import Run

Json = dict[str, Any]
Model = Agent[Run, str]


class Talk:
    """A conversation with a model, for one run."""

    def __init__(self, run: Run, agent: Model, endpoint: Endpoint, most_requests: int) -> None:
        self._run = run
        self._agent = agent
        self._endpoint = endpoint
        self._limits = UsageLimits(request_limit=most_requests)
        self._speech = Speech(run)

    async def answer(self, asked: Asked) -> str:
        """What the model says in the end.

        Raises:
            ChatFailed: the endpoint or its model did not answer.
        """
        with self._endpoint.failures(), Agent.parallel_tool_call_execution_mode("sequential"):
            async with (
                self._endpoint.open() as model,
                self._agent.iter(
                    asked.prompt,
                    message_history=asked.history,
                    model=model,
                    deps=self._run,
                    usage_limits=self._limits,
                ) as going,
            ):
                return whole(await self._follow(going))

    async def _follow(self, going: AgentRun[Run, str]) -> str:
        async for node in going:
            if Agent.is_model_request_node(node):
                await self._hear(node, going)
            elif Agent.is_call_tools_node(node):
                await self._watch(node, going)
        assert going.result is not None  # it ended
        return going.result.output

    async def _hear(self, node: ModelRequestNode[Run, str], going: AgentRun[Run, str]) -> None:
        """Record what the model says, and what that cost, also when it breaks off."""
        async with node.stream(going.ctx) as stream:
            try:
                # What it raises is what another failure below would be recorded with.
                with self._endpoint.failures():
                    async for event in stream:
                        for kind, text in _words(event):
                            await self._speech.add(kind, text)
            finally:
                await self._speech.flush()
                await self._spent(stream.response)

    async def _spent(self, response: ModelResponse) -> None:
        """Record the tokens of a response that said how many; unknown is not nought."""
        said = usage_in(response.provider_details)
        if said is not None:
            facts: Json = {"provider": self._endpoint.provider, "raw": said, **counts_of(said)}
            await self._run.usage(model=self._endpoint.model, **facts)

    async def _watch(self, node: CallToolsNode[Run, str], going: AgentRun[Run, str]) -> None:
        """Call the tools, and record also the calls that cannot be made."""
        calls: dict[str, ToolCallPart] = {}
        async with node.stream(going.ctx) as stream:
            async for event in stream:
                if isinstance(event, FunctionToolCallEvent):
                    calls[event.part.tool_call_id] = event.part
                elif isinstance(event, FunctionToolResultEvent):
                    await record_refused(self._run, calls[event.tool_call_id], event.part)


def _words(event: Any) -> list[tuple[Kind, str]]:
    """What an event of a stream says, if it says anything."""
    match event:
        case PartStartEvent(part=TextPart(content=str(text))):
            return [("content", text)]
        case PartDeltaEvent(delta=TextPartDelta(content_delta=str(text))):
            return [("content", text)]
        case PartStartEvent(part=ThinkingPart(content=str(text))):
            return [("thinking", text)]
        case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str(text))):
            return [("thinking", text)]
        case _:
            return []
