"""A run that a program records: it says what happens, and goes on at once."""

import logging
from collections.abc import Mapping
from contextvars import ContextVar
from time import time_ns
from traceback import format_exception
from types import TracebackType
from typing import Any, Literal, Self

from ledger_client.jsontext import encode, encode_anything, jsonable
from ledger_client.models import ApprovalRequest
from ledger_client.recorder.answers import ApprovalDenied
from ledger_client.recorder.recorder import Recorder
from ledger_client.recorder.said import (
    APPROVALS,
    COMPLETE,
    CREATE,
    FAIL,
    FRAMES,
    START,
    Said,
    short_name,
)
from ledger_client.recorder.tool_call import ToolCall
from ledger_client.recorder.track import Track

log = logging.getLogger("ledger_client")

_NAMES = ("agent", "session_id", "user_id")
_LONGEST_ERROR = 10_000
_LONGEST_TRACE = 100_000
_current: ContextVar["Recording | None"] = ContextVar("ledger_client_recording", default=None)


def current_recording() -> "Recording | None":
    """The recording in whose block this is called, in this thread or task; None outside of any."""
    return _current.get()


class Recording:
    """One run. Enter it to begin; leaving it ends the run, by an exception or with `output`.

    Nothing here but `approval` raises because of the ledger, or waits for it. What the program says
    is written down within 50 ms, and delivered as soon as the server takes it.

    Attributes:
        output: what the run came to, for when the block is left; see also `complete`.
    """

    def __init__(self, recorder: Recorder, announcement: Mapping[str, Any]) -> None:
        self.output: Any = None
        self._recorder = recorder
        self._announcement = announcement
        self._is_over = False
        self._before: Recording | None = None

    def __enter__(self) -> Self:
        given = {name: value for name, value in self._announcement.items() if value is not None}
        given |= {name: short_name(given[name]) for name in _NAMES if given.get(name)}
        self._before = _current.get()
        self._track = self._recorder.open(self._parent)
        self._say(CREATE, encode(jsonable(given)))
        self._say(START, "{}")
        _current.set(self)
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _current.set(self._before)
        if self._is_over:
            return
        if error is None:
            self.complete(self.output)
        else:
            self._fail(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    @property
    def _parent(self) -> Track | None:
        """The run in whose block this one begins, unless it was said to be a part of another."""
        outer = self._before
        if outer is None or self._announcement.get("parent_execution_id") is not None:
            return None
        return outer._track if outer._recorder is self._recorder else None  # noqa: SLF001 - its kind

    @property
    def input(self) -> Any:
        """What the run was given."""
        return self._announcement.get("input")

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for it to stop.

        The server says so when it takes the next frames. What follows is the program's affair.
        """
        return self._track.is_cancelled

    @property
    def execution_id(self) -> str | None:
        """Its id at the server; None until the server has answered. See `wait_for_id`."""
        return self._track.execution_id

    def wait_for_id(self, timeout: float | None = None) -> str | None:
        """Wait until the server knows the run. Blocks.

        Args:
            timeout: seconds; None waits as long as the client is open.

        Returns:
            Its id; None when the server does not know it by then, or refused it.
        """
        self._recorder.hurry()
        self._track.known.wait(timeout)
        return self._track.execution_id

    def thinking(self, text: str) -> None:
        """Reasoning text between the steps."""
        self._say(FRAMES, str(text), "thinking")

    def content(self, text: str) -> None:
        """A piece of the answer."""
        self._say(FRAMES, str(text), "content")

    def tool(self, name: str, input: Any = None) -> ToolCall:  # noqa: A002  as in the contract
        """A call of a tool, as a block; say its result inside."""
        return ToolCall(self.frame, name, input)

    def usage(
        self,
        *,
        model: str,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
        cost_usd: Any = None,
        raw: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """Tokens that were spent.

        Args:
            model: that was called.
            prompt_tokens: cached ones included.
            completion_tokens: reasoning included.
            cost_usd: US dollars as text, a number or a `Decimal`, if the provider stated them;
                without, prices decide.
            raw: the usage object of the provider's response. The server reads it: where it is
                given, counts need not be.
            more: `provider`, `cached_tokens`, `cache_creation_tokens`, `reasoning_tokens`,
                `total_tokens`, `service_tier`, `duration_ms`.
        """
        facts = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, **more}
        if cost_usd is not None:
            facts["cost_usd"] = str(cost_usd)
        self.frame("usage", model=short_name(model), raw=raw, **facts)

    def frame(self, type: str, **facts: Any) -> None:  # noqa: A002  as in the contract
        """A frame by its type, as the HTTP API has it; facts that are None are left out."""
        given = {name: value for name, value in facts.items() if value is not None}
        self._say(FRAMES, encode_anything({"type": type, **given}))

    def approval(
        self,
        checkpoint: str,
        payload: Mapping[str, Any],
        *,
        required_role: Literal["operator", "admin"] | None = None,
        not_requester: bool | None = None,
        on_reject: Literal["end", "resume"] | None = None,
        expires_in_s: float | None = None,
    ) -> ApprovalRequest:
        """Wait until a human decides on what is shown. The one thing here that waits: it blocks.

        Act on the `payload` of what is returned: a human may have edited it before saying yes. In
        asyncio, `await asyncio.to_thread(run.approval, ...)`.

        Args:
            checkpoint: a name for the place where the run waits.
            payload: what the human is shown, exactly.
            required_role: who decides has at least this role.
            not_requester: who records the run does not decide.
            on_reject: "resume" to go on after a no, with a decision that is not `approved`; "end",
                as by default, to end with it.
            expires_in_s: seconds after which the server says no.

        Raises:
            ApprovalDenied: nobody said yes; the run is over.
            ApiError: it could not be asked.
            LedgerClientError: the client was closed meanwhile.
        """
        asked = {
            "checkpoint_name": checkpoint,
            "payload": payload,
            "required_role": required_role,
            "not_requester": not_requester,
            "on_reject": on_reject,
            "expires_in_s": expires_in_s,
        }
        given = {name: value for name, value in asked.items() if value is not None}
        self._say(APPROVALS, encode(jsonable(given)))
        try:
            decided = self._recorder.answer(self._track)
        except ApprovalDenied:
            self._is_over = True
            raise
        if decided.approved:
            self._say(START, "{}")
        return decided

    def complete(self, output: Any = None) -> None:
        """End the run with an output. What is no mapping becomes `{"result": ...}`."""
        self._end(COMPLETE, {"output": output_of(output)})

    def fail(self, error: str, *, error_code: str = "error", error_type: str | None = None) -> None:
        """End the run by an error: its message, and `error`, `timeout` or `budget_exceeded`."""
        facts = {"error": error[:_LONGEST_ERROR], "error_code": error_code}
        if error_type is not None:
            facts["error_type"] = short_name(error_type)
        self._end(FAIL, facts)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything said so far is at the server; whether it is, after so long."""
        return self._recorder.flush(timeout)

    def _fail(self, error: BaseException) -> None:
        trace = "".join(format_exception(error))
        facts = {
            "error": (str(error) or type(error).__name__)[:_LONGEST_ERROR],
            "error_type": short_name(type(error).__name__),
            "trace": trace[-_LONGEST_TRACE:],
        }
        self._end(FAIL, facts)

    def _end(self, path: str, facts: Mapping[str, Any]) -> None:
        self._say(path, encode(jsonable(facts)))
        self._is_over = True
        self._recorder.hurry()

    def _say(self, path: str, text: str, kind: str = "") -> None:
        if self._is_over:
            log.warning("a run that is over was told something more")
            return
        self._recorder.say(self._track, Said(time_ns(), path, kind, text))


def output_of(value: Any) -> Mapping[str, Any]:
    """An output as the ledger keeps it: an object."""
    if value is None:
        return {}
    return value if isinstance(value, Mapping) else {"result": value}
