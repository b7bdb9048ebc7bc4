"""A chat model's tools: every call is recorded, and the dear ones ask a human first."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from pydantic_ai import RunContext, ToolReturn
from pydantic_ai.exceptions import (
    ApprovalRequired,
    CallDeferred,
    ModelRetry,
    ToolFailed,
    UserError,
)
from pydantic_ai.messages import ToolCallPart, ToolReturnPart
from pydantic_ai.tools import (
    DeferredToolRequests,
    DeferredToolResults,
    Tool,
    ToolApproved,
    ToolDenied,
)
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset, ToolsetTool, WrapperToolset
from pydantic_core import to_jsonable_python

from ledger_client.chat.endpoint import ChatFailed
from ledger_client.jsontext import jsonable
from ledger_client.work.agents import InvalidAgent
from ledger_client.work.run import Run

Json = dict[str, Any]
Function = Callable[..., Any]
Policy = Mapping[str, Any]
Handler = Callable[[RunContext[Run], DeferredToolRequests], Awaitable[DeferredToolResults | None]]

_POLICY: Final = frozenset({"required_role", "not_requester", "expires_in_s"})
_POLICY_WORDS: Final = ", ".join(sorted(_POLICY))
_MOST_NAME: Final = 200
_UNCALLED: Final = frozenset({"unknown_tool", "unavailable_tool", "validation_error"})


def policies_in(needs_approval: Collection[str] | Mapping[str, Policy]) -> dict[str, Policy]:
    """Who may decide on the calls of which tool.

    Raises:
        InvalidAgent: a policy says what means nothing.
    """
    if not isinstance(needs_approval, Mapping):
        return {name: {} for name in needs_approval}
    for name, policy in needs_approval.items():
        unknown = sorted(set(policy) - _POLICY)
        if unknown:
            message = f"needs_approval of {name} says {unknown[0]}; it may say {_POLICY_WORDS}"
            raise InvalidAgent(message)
    return {name: dict(policy) for name, policy in needs_approval.items()}


def toolset_of(functions: Sequence[Function], needs_approval: Collection[str]) -> "RecordedTools":
    """Functions as tools.

    Raises:
        InvalidAgent: one of them cannot be a tool, or there is none by a name that needs approval.
    """
    unknown = set(needs_approval) - {each.__name__ for each in functions}
    if unknown:
        message = f"needs_approval names no tool: {', '.join(sorted(unknown))}"
        raise InvalidAgent(message)
    try:
        tools: list[Tool[Run]] = [
            Tool(each, requires_approval=each.__name__ in needs_approval) for each in functions
        ]
        return RecordedTools(FunctionToolset(tools))
    except UserError as error:
        raise InvalidAgent(str(error)) from error


@dataclass
class RecordedTools(WrapperToolset[Run]):
    """Tools whose calls are recorded. What goes wrong in one is told to the model."""

    wrapped: AbstractToolset[Run]

    async def call_tool(
        self, name: str, tool_args: Json, ctx: RunContext[Run], tool: ToolsetTool[Run]
    ) -> Any:
        """Call it, between the start and the end that are recorded."""
        async with ctx.deps.tool(name, as_json(tool_args)) as call:
            try:
                result = await super().call_tool(name, tool_args, ctx, tool)
            except (ModelRetry, ToolFailed, ApprovalRequired, CallDeferred):
                raise
            except Exception as error:  # whatever a tool stumbles over, the model may go on
                message = f"{type(error).__name__}: {error}"
                raise ToolFailed(message) from error
            call.result(as_json(result.return_value if isinstance(result, ToolReturn) else result))
        return result


async def record_refused(run: Run, call: ToolCallPart, answer: ToolReturnPart) -> None:
    """Record a call that came to no function: no such tool, or arguments that it cannot take."""
    if answer.retry is None or answer.retry.cause not in _UNCALLED:
        return
    with suppress(ToolFailed):
        async with run.tool(_printable(call.tool_name), jsonable(call.args)):
            raise ToolFailed(answer.model_response_str())


def asking_humans(policies: Mapping[str, Policy]) -> Handler:
    """Has a human decide on each call that needs it, one after the other."""

    async def ask(ctx: RunContext[Run], asked: DeferredToolRequests) -> DeferredToolResults:
        answers = {
            call.tool_call_id: await _ask(ctx.deps, call, policies.get(call.tool_name, {}))
            for call in asked.approvals
        }
        return asked.build_results(approvals=answers)

    return ask


def as_json(value: Any) -> Any:
    """What JSON can hold of a value; for anything else, its text."""
    return jsonable(to_jsonable_python(value, serialize_unknown=True))


async def _ask(run: Run, call: ToolCallPart, policy: Policy) -> ToolApproved | ToolDenied:
    name = call.tool_name
    payload = {"tool": name, "arguments": call.args_as_dict()}
    decision = await run.approval(f"tool:{name}", payload, on_reject="resume", **policy)
    if not decision.approved:
        return ToolDenied(f"The call was denied. The reason given: {decision.reason or 'none'}")
    arguments = decision.payload.get("arguments")
    if decision.payload.get("tool") != name or not isinstance(arguments, dict):
        message = f"what was approved is no call of {name}"
        raise ChatFailed(message)
    return ToolApproved(override_args=arguments)


def _printable(name: str) -> str:
    """A name that a model made up, as it can be recorded."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:_MOST_NAME]
