"""A chat model as an agent, behind any endpoint that speaks OpenAI's chat completions."""

try:
    from ledger_client.chat.agent import chat_agent
    from ledger_client.chat.conversation import ChatAnswer, ChatInput
    from ledger_client.chat.endpoint import ChatFailed
except ImportError as missing:
    message = f"chat agents need an extra: pip install 'execution-ledger[llm]' ({missing})"
    raise ImportError(message) from missing

__all__ = ["ChatAnswer", "ChatFailed", "ChatInput", "chat_agent"]
