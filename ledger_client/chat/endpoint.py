"""Where a model is, and how it is spoken to: its address, its key, its failures."""

import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from openai import AsyncOpenAI, OpenAIError
from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelTimeoutError,
)
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from ledger_client.chat.spent import ChatModel
from ledger_client.errors import LedgerClientError
from ledger_client.work.agents import InvalidAgent

OPENAI_URL: Final = "https://api.openai.com/v1"

_NO_KEY: Final = "none"
_HEADER: Final = re.compile(r"[!-~]*")
_CONNECT_SECONDS: Final = 10.0
_MOST_SAID: Final = 2_000


class ChatFailed(LedgerClientError):
    """The endpoint or its model did not answer; says what went wrong, and never the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A chat model behind an address.

    Attributes:
        base_url: up to and without `/chat/completions`.
        model: its name there.
        api_key: empty for none. It is sent to the endpoint, and kept nowhere else.
        timeout: seconds to wait for each part of an answer.
        max_retries: how often a request is sent again that failed before it was answered.
    """

    base_url: str
    model: str
    api_key: str = field(repr=False)
    timeout: float
    max_retries: int

    @property
    def provider(self) -> str:
        """Who answers: `openai`, or the host."""
        host = urlsplit(self.base_url).hostname or ""
        return "openai" if host == urlsplit(OPENAI_URL).hostname else host

    @asynccontextmanager
    async def open(self) -> AsyncIterator[ChatModel]:
        """The model, with connections of its own until the block is left."""
        async with AsyncOpenAI(
            base_url=self.base_url,
            api_key=self.api_key or _NO_KEY,
            timeout=httpx2.Timeout(self.timeout, connect=min(self.timeout, _CONNECT_SECONDS)),
            max_retries=self.max_retries,
        ) as client:
            yield self._model(client)

    def _model(self, client: AsyncOpenAI) -> ChatModel:
        # An answer that was cut off is not an answer, however quietly the connection ended.
        profile = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)
        if self.provider == "openai":
            return ChatModel(
                self.model, provider=OpenAIProvider(openai_client=client), profile=profile
            )
        provider = OpenAICompatibleProvider(self.provider, openai_client=client)
        return ChatModel(self.model, provider=provider, profile=profile)

    @contextmanager
    def failures(self) -> Iterator[None]:
        """What goes wrong with the endpoint inside of the block, in words of ours.

        Raises:
            ChatFailed: without what caused it, since an endpoint may have quoted the key there.
        """
        try:
            yield
        except (AgentRunError, OpenAIError, httpx2.HTTPError) as error:
            told = _told(error)
            if self.api_key:
                told = told.replace(self.api_key, "[the key]")
            raise ChatFailed(told[:_MOST_SAID]) from None


def read_endpoint(
    *,
    base_url: str | None,
    model: str | None,
    api_key: str | None,
    timeout: float,
    max_retries: int,
    environment: Mapping[str, str] | None = None,
) -> Endpoint:
    """What was given; else `LEDGER_LLM_BASE_URL`, `LEDGER_LLM_MODEL`, `LEDGER_LLM_API_KEY`.

    Raises:
        InvalidAgent: no model was named, or what was said is no address or no key.
    """
    said = os.environ if environment is None else environment
    url = base_url or said.get("LEDGER_LLM_BASE_URL") or OPENAI_URL
    named = model or said.get("LEDGER_LLM_MODEL")
    if not named:
        message = "no model was named; say model=... or set LEDGER_LLM_MODEL"
        raise InvalidAgent(message)
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        message = "base_url is no address of an endpoint, such as https://host/v1"
        raise InvalidAgent(message)
    key = (said.get("LEDGER_LLM_API_KEY", "") if api_key is None else api_key).strip()
    if not _HEADER.fullmatch(key):  # or else its refusal would quote it
        message = "api_key has a character that a header cannot hold"
        raise InvalidAgent(message)
    return Endpoint(
        base_url=url, model=named, api_key=key, timeout=timeout, max_retries=max_retries
    )


def _told(error: Exception) -> str:
    if isinstance(error, ModelHTTPError):
        return f"the chat endpoint answered {error.status_code}: {_said_in(error.body)}"
    if isinstance(error, ModelTimeoutError | httpx2.TimeoutException):
        return "the chat endpoint did not go on in time"
    if isinstance(error, ModelConnectionError):
        return f"the connection to the chat endpoint failed: {_cause(error)}"
    if isinstance(error, ModelAPIError | httpx2.HTTPError):
        return f"the chat endpoint failed: {getattr(error, 'message', error)}"
    return f"the model gave no answer: {error}"


def _cause(error: BaseException) -> BaseException:
    """What began it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _said_in(body: Any) -> str:
    """The message in an error's body, wherever endpoints put it."""
    if isinstance(body, dict):
        inner = body.get("error", body)
        said = inner.get("message") if isinstance(inner, dict) else inner
        return str(said or body)
    return str(body) if body else "nothing more"
