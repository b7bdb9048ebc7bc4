"""How a program says that a chat model is one of its agents."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, cast

from pydantic_ai import Agent
from pydantic_ai.capabilities import HandleDeferredToolCalls
from pydantic_ai.settings import ModelSettings

from ledger_client.chat.conversation import ChatAnswer, ChatInput, asked_by
from ledger_client.chat.endpoint import Endpoint, read_endpoint
from ledger_client.chat.talk import Talk
from ledger_client.chat.tools import Policy, asking_humans, policies_in, toolset_of
from ledger_client.jsontext import encode
from ledger_client.work.agents import AgentDefinition, AgentSet
from ledger_client.work.run import Run

Json = dict[str, Any]

_CORRECTIONS: Final = 2
_DIGEST_LETTERS: Final = 8


def chat_agent(
    agents: AgentSet,
    *,
    name: str,
    version: str | None = None,
    model: str | None = None,
    base_url: str | None = None,
    api_key: str | None = None,
    instructions: str = "",
    tools: Sequence[Callable[..., Any]] = (),
    needs_approval: Sequence[str] | Mapping[str, Policy] = (),
    settings: Mapping[str, Any] | None = None,
    config: Json | None = None,
    timeout: float = 120,
    max_retries: int = 2,
    max_requests: int = 50,
    **more: Any,
) -> AgentDefinition:
    """Add a chat model to a program's agents.

    Its input is `{"prompt": "..."}` or `{"messages": [{"role": ..., "content": ...}]}`, its output
    `{"answer": "..."}`. What it thinks and says, each call of a tool, and the tokens of each of
    its responses are recorded. The key is sent to the endpoint and recorded nowhere.

    Args:
        agents: where it is added.
        name: of the agent.
        version: a label; by default the model's name and a digest of the version's config.
        model: its name at the endpoint; by default `LEDGER_LLM_MODEL`.
        base_url: of the endpoint; by default `LEDGER_LLM_BASE_URL`, or OpenAI's.
        api_key: for the endpoint; by default `LEDGER_LLM_API_KEY`, or none.
        instructions: what the model is told before everything else.
        tools: functions, async or not; annotations and docstrings tell the model how to call them.
            One whose first parameter is a pydantic-ai `RunContext` finds the run in its `deps`.
        needs_approval: names of tools whose calls a human must approve, and may edit; or by name
            who may: `{"pay": {"required_role": "admin", "not_requester": True}}`, and
            `expires_in_s`.
        settings: pydantic-ai's `ModelSettings`, such as `temperature` and `max_tokens`.
        config: more to keep with the version.
        timeout: seconds to wait for each part of an answer.
        max_retries: how often a request is sent again that failed before it was answered.
        max_requests: how often the model is asked in one run, at most.
        more: other fields of `AgentDefinition`: description, labels, and so on.

    Raises:
        InvalidAgent: no model was named, a function cannot be a tool, or the name is in use.
    """
    endpoint = read_endpoint(
        base_url=base_url,
        model=model,
        api_key=api_key,
        timeout=timeout,
        max_retries=max_retries,
    )
    policies = policies_in(needs_approval)
    facts: Json = {
        "model": endpoint.model,
        "provider": endpoint.provider,
        "instructions": instructions,
        "tools": [each.__name__ for each in tools],
        "needs_approval": policies,
        "settings": _recorded(settings or {}),
        **(config or {}),
    }
    talker: Agent[Run, str] = Agent(
        None,
        deps_type=Run,
        instructions=instructions or None,
        toolsets=[toolset_of(tools, policies)],
        capabilities=[HandleDeferredToolCalls(asking_humans(policies))],
        model_settings=cast("ModelSettings", dict(settings or {})),
        retries=_CORRECTIONS,
    )
    definition = AgentDefinition(
        name=name,
        version=version or _label(endpoint, facts),
        function=_function(talker, endpoint, max_requests),
        input_schema=ChatInput.model_json_schema(),
        input_model=ChatInput,
        output_schema=ChatAnswer.model_json_schema(mode="serialization"),
        config=facts,
        **more,
    )
    agents.add(definition)
    return definition


def _function(
    talker: Agent[Run, str], endpoint: Endpoint, max_requests: int
) -> Callable[[Run, ChatInput], Any]:
    async def chat(run: Run, given: ChatInput) -> ChatAnswer:
        talk = Talk(run, talker, endpoint, max_requests)
        return ChatAnswer(answer=await talk.answer(asked_by(given)))

    return chat


def _label(endpoint: Endpoint, facts: Json) -> str:
    digest = sha256(encode(facts).encode()).hexdigest()[:_DIGEST_LETTERS]
    return f"{endpoint.model}-{digest}"


def _recorded(settings: Mapping[str, Any]) -> Json:
    """Settings that are plain values. Headers and bodies of one's own may hold secrets."""
    plain = (bool, int, float, str)
    return {name: value for name, value in settings.items() if isinstance(value, plain)}
