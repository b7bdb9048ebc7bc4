"""A call of a tool within a recording."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from ledger_client.recorder.said import short_name


class ToolCall:
    """A call of a tool. An exception that leaves the block is recorded as the tool's error."""

    def __init__(self, say: Callable[..., None], name: str, given: Any) -> None:
        self._say = say
        self._facts: dict[str, Any] = {"id": uuid4().hex, "name": short_name(name)}
        self._given = given
        self._result: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._say("tool_start", **self._facts, input=self._given)
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._result["error"] = str(error) or type(error).__name__
        self._say("tool_end", **self._facts, **self._result)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def result(self, output: Any, *, summary: str | None = None) -> None:
        """What the tool gave, and a short text of it for display."""
        self._result = {"output": output, "summary": summary}
