"""Chat agents without an endpoint: where they find it, and how they count."""

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from ledger_client.chat import ChatInput, chat_agent
from ledger_client.chat.endpoint import Endpoint, read_endpoint
from ledger_client.chat.speech import Speech, whole
from ledger_client.chat.spent import counts_of, usage_in
from ledger_client.work import AgentSet, InvalidAgent

Json = dict[str, Any]

ENVIRONMENT = {
    "LEDGER_LLM_BASE_URL": "https://llm.example.com/v1",
    "LEDGER_LLM_MODEL": "m-1",
    "LEDGER_LLM_API_KEY": "k-1",
}


def endpoint(environment: dict[str, str], **given: Any) -> Endpoint:
    nothing: Json = {"base_url": None, "model": None, "api_key": None}
    return read_endpoint(
        **{**nothing, "timeout": 1, "max_retries": 0, **given}, environment=environment
    )


def test_the_environment_says_what_the_arguments_do_not() -> None:
    found = endpoint(ENVIRONMENT, model="m-2")

    assert (found.base_url, found.model, found.api_key) == (
        "https://llm.example.com/v1",
        "m-2",
        "k-1",
    )
    assert found.provider == "llm.example.com"


def test_without_an_address_it_is_openais() -> None:
    found = endpoint({"LEDGER_LLM_MODEL": "m-1"})

    assert (found.base_url, found.provider) == ("https://api.openai.com/v1", "openai")
    assert found.api_key == ""


def test_a_key_from_a_file_loses_its_last_line_end() -> None:
    assert endpoint({**ENVIRONMENT, "LEDGER_LLM_API_KEY": "k-1\n"}).api_key == "k-1"


def test_the_key_is_not_shown() -> None:
    assert "k-1" not in repr(endpoint(ENVIRONMENT))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model": ""}, "LEDGER_LLM_MODEL"),
        ({"model": "m", "base_url": "llm.example.com/v1"}, "no address"),
        ({"model": "m", "base_url": "ftp://llm.example.com"}, "no address"),
        ({"model": "m", "base_url": "https://me:secret@llm.example.com"}, "no address"),
        ({"model": "m", "api_key": "secret\nkey"}, "a header cannot hold"),
        ({"model": "m", "api_key": "secret-clé"}, "a header cannot hold"),
    ],
)
def test_an_endpoint_that_cannot_be_one_is_refused(given: Json, said: str) -> None:
    with pytest.raises(InvalidAgent, match=said) as refusal:
        endpoint({}, **given)

    assert "secret" not in str(refusal.value)


def look_up(order: str) -> str:
    """Look an order up."""
    return order


@pytest.mark.parametrize(
    "given",
    [
        {"needs_approval": ["pay"]},
        {"tools": [look_up], "needs_approval": ["look_ip"]},
        {"tools": [look_up, look_up]},
        {"tools": [look_up], "needs_approval": {"look_up": {"on_reject": "end"}}},
    ],
)
def test_tools_that_cannot_be_some_are_refused(given: Json) -> None:
    with pytest.raises(InvalidAgent, match=r"pay|look_ip|look_up"):
        chat_agent(AgentSet(), name="chat", model="m-1", **given)


def test_the_default_label_changes_with_what_runs() -> None:
    said: list[Json] = [{}, {"instructions": "Be brief."}, {"tools": [look_up]}, {"model": "m-2"}]

    definitions = [chat_agent(AgentSet(), name="chat", **{"model": "m-1", **each}) for each in said]

    assert len({each.version for each in definitions}) == len(said)
    again = chat_agent(AgentSet(), name="chat", model="m-1")
    assert again.version == definitions[0].version
    assert chat_agent(AgentSet(), name="chat", model="m-1", version="7").version == "7"


@pytest.mark.parametrize(
    "given",
    [
        {"messages": [{"role": "assistant", "content": "Hi."}]},
        {"messages": []},
        {"prompt": "a", "more": 1},
        {},
    ],
)
def test_what_is_no_question_is_no_input(given: Json) -> None:
    with pytest.raises(ValidationError):
        ChatInput.model_validate(given)


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}, (3, 2, None, None)),
        ({"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 0}}, (3, 0, 0, None)),
        ({"prompt_tokens": 3, "prompt_cache_hit_tokens": 2}, (3, 0, 2, None)),
        ({"prompt_tokens": 3, "prompt_tokens_details": None}, (3, 0, None, None)),
        ({"prompt_tokens": "3", "completion_tokens": -1}, (0, 0, None, None)),
    ],
)
def test_counts_are_those_that_were_said(said: Json, counts: tuple[int | None, ...]) -> None:
    assert tuple(map(counts_of(said).get, COUNTS)) == counts


COUNTS = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")


def test_reasoning_that_was_reported_apart_belongs_to_the_completion() -> None:
    said = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 18,
        "completion_tokens_details": {"reasoning_tokens": 3},
    }

    assert tuple(map(counts_of(said).get, COUNTS)) == (10, 8, None, 3)


def test_a_cache_that_was_reported_apart_belongs_to_the_prompt() -> None:
    said = {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 90}}

    assert tuple(map(counts_of(said).get, COUNTS)) == (100, 0, 90, None)


@pytest.mark.parametrize("details", [None, {}, {"usage": {}}, {"usage": 7}])
def test_usage_that_was_not_said_is_none(details: Json | None) -> None:
    assert usage_in(details) is None


def test_halves_of_characters_are_joined_or_replaced() -> None:
    assert whole("a\ud83d\ude42") == "a🙂"
    assert whole("a\ud83d") == "a\ufffd"


class Deaf:
    """A run that takes no more frames."""

    async def content(self, text: str) -> None:
        raise ConnectionError(text)

    thinking = content


async def test_words_that_could_not_be_recorded_are_known_to_who_speaks_on() -> None:
    run: Any = Deaf()
    speech = Speech(run)
    await speech.add("content", "hello")
    await asyncio.sleep(0.1)

    with pytest.raises(ConnectionError, match="hello"):
        await speech.flush()
