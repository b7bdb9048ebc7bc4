"""What a chat agent is asked and what it answers, and the same as the model's library has it."""

from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator
from pydantic_ai import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    UserPromptPart,
)

Text = Annotated[str, Field(min_length=1)]


class ChatMessage(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: Text


class Prompted(BaseModel):
    """A question on its own."""

    model_config = ConfigDict(extra="forbid")

    prompt: Text


class Continued(BaseModel):
    """A conversation so far; what the user said last is what is answered."""

    model_config = ConfigDict(extra="forbid")

    messages: list[ChatMessage] = Field(min_length=1)

    @model_validator(mode="after")
    def _ends_with_the_user(self) -> "Continued":
        if self.messages[-1].role != "user":
            message = "the last message is not the user's"
            raise ValueError(message)
        return self


class ChatInput(RootModel[Prompted | Continued]):
    """A `prompt`, or the `messages` of a conversation."""


class ChatAnswer(BaseModel):
    """What the model said in the end."""

    answer: str


class Asked(NamedTuple):
    """What is to be answered, and what came before."""

    prompt: str
    history: list[ModelMessage]


def asked_by(given: ChatInput) -> Asked:
    """An input as the model's library takes it."""
    asked = given.root
    if isinstance(asked, Prompted):
        return Asked(asked.prompt, [])
    *before, last = asked.messages
    return Asked(last.content, [_said(each) for each in before])


def _said(message: ChatMessage) -> ModelMessage:
    match message.role:
        case "assistant":
            return ModelResponse(parts=[TextPart(message.content)])
        case "system":
            return ModelRequest(parts=[SystemPromptPart(message.content)])
        case "user":
            return ModelRequest(parts=[UserPromptPart(message.content)])
