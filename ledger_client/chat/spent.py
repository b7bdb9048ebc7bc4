"""What a response cost in tokens, as the endpoint said it and as the ledger counts."""

from collections.abc import Mapping
from typing import Any, Final

from openai.types.chat import ChatCompletionChunk
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIStreamedResponse

Json = dict[str, Any]

_KEPT: Final = "usage"


class _Stream(OpenAIStreamedResponse):
    """A streamed response that keeps what was said of its usage, word for word."""

    def _map_chunk_provider_details(self, chunk: ChatCompletionChunk) -> Json | None:
        details = super()._map_chunk_provider_details(chunk) or {}
        if chunk.usage is not None:
            details[_KEPT] = chunk.usage.model_dump(mode="json", exclude_unset=True)
        return details or None


class ChatModel(OpenAIChatModel):
    """A model whose responses keep what was said of their usage."""

    @property
    def _streamed_response_cls(self) -> type[OpenAIStreamedResponse]:
        return _Stream


def usage_in(details: Mapping[str, Any] | None) -> Json | None:
    """The usage that a response reported, in the endpoint's own words; None when it said none."""
    said = (details or {}).get(_KEPT)
    return said if isinstance(said, dict) and said else None


def counts_of(said: Mapping[str, Any]) -> dict[str, int]:
    """Tokens by the ledger's rules.

    The prompt includes what was cached, and the completion the reasoning. Most endpoints count
    so. Some report reasoning, or what was cached, beside the others; their sums tell.
    """
    prompt, completion = _count(said, "prompt_tokens") or 0, _count(said, "completion_tokens") or 0
    cached = _count(said.get("prompt_tokens_details"), "cached_tokens")
    if cached is None:
        cached = _count(said, "prompt_cache_hit_tokens")
    reasoning = _count(said.get("completion_tokens_details"), "reasoning_tokens")
    if reasoning and _is_apart(reasoning, completion, _count(said, "total_tokens"), prompt):
        completion += reasoning
    if cached is not None and cached > prompt:
        prompt += cached
    counts = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "cached_tokens": cached,
        "reasoning_tokens": reasoning,
    }
    return {name: count for name, count in counts.items() if count is not None}


def _is_apart(reasoning: int, completion: int, total: int | None, prompt: int) -> bool:
    return reasoning > completion or total == prompt + completion + reasoning


def _count(said: Any, name: str) -> int | None:
    count = said.get(name) if isinstance(said, Mapping) else None
    return count if type(count) is int and count >= 0 else None
