"""What an agent is given: its input, and the ways to say what it does."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from hashlib import sha256
from typing import Any, Literal, NamedTuple

import rfc8785

from ledger_client.errors import LedgerClientError
from ledger_client.models import Execution
from ledger_client.work.hold import Hold, frame
from ledger_client.work.outbox import Outbox

Json = dict[str, Any]


class Approval(NamedTuple):
    """What was decided at a checkpoint.

    Attributes:
        id: of the approval.
        checkpoint: where the run waited.
        approved: whether it was a yes. A no is met only by who asked to go on after one.
        payload: what was decided on: what the agent asked about, unless somebody edited it.
        payload_digest: of that.
        asked_digest: of what the agent asked about.
        by: the id of the principal who decided.
        by_name: their name, where they have one.
        reason: what they said.
        at: when it was recorded, RFC 3339.
    """

    id: str
    checkpoint: str
    approved: bool
    payload: Json
    payload_digest: str
    asked_digest: str
    by: str
    by_name: str | None
    reason: str | None
    at: str


class ChildFailed(LedgerClientError):
    """An execution that a run asked for did not complete.

    Attributes:
        execution: as it ended.
    """

    def __init__(self, execution: Execution) -> None:
        super().__init__(f"{execution.agent_name} {execution.id} {execution.status}")
        self.execution = execution


class Tool:
    """A call of a tool that is under way."""

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.output: Any = None
        self.summary: str | None = None

    def result(self, output: Any, *, summary: str | None = None) -> None:
        """Say what the tool answered; `summary` is short text for display."""
        self.output, self.summary = output, summary


class Waits(NamedTuple):
    """What a run cannot do alone: its worker does it, without a slot being taken meanwhile.

    Attributes:
        answer: waits for a human, and says how the execution stands after the answer.
        child: asks for an execution of another agent, and waits for its end.
    """

    answer: Callable[[], Awaitable[Json]]
    child: Callable[[str, Json, Json], Awaitable[Execution]]


class Run:
    """One attempt of an execution, as its agent sees it. For the agent's own task only.

    Attributes:
        execution_id: of the execution.
        attempt: 1 for the first; a later one follows a lost worker.
        input: as it was sent; it satisfied the version's schema.
        metadata: of the execution.
        config: of the agent's version.
        cancelled: whether somebody asked for it to stop.
        decisions: what humans decided in earlier attempts, in order.
    """

    def __init__(self, hold: Hold, outbox: Outbox, waits: Waits) -> None:
        given = hold.given
        self.execution_id: str = given["execution_id"]
        self.agent_version_id: str = given["agent_version_id"]
        self.session_id: str = given["session_id"]
        self.user_id: str = given["user_id"]
        self.trace_id: str = given["trace_id"]
        self.attempt: int = given["attempt"]
        self.input: Json = given["input"]
        self.metadata: Json = given["metadata"]
        self.config: Json = given["config"]
        self.cancelled = False
        self._outbox = outbox
        self._waits = waits
        self.decisions = [_approval(each) for each in given["approvals"]]
        self._given = list(self.decisions)

    async def thinking(self, text: str) -> None:
        """Stream reasoning text."""
        await self._stream("thinking", content=text)

    async def content(self, text: str) -> None:
        """Stream a piece of the answer."""
        await self._stream("content", content=text)

    @asynccontextmanager
    async def tool(self, name: str, input: Any = None) -> AsyncIterator[Tool]:  # noqa: A002 - the word on the wire
        """Record a call of a tool: its start on entry, its end on leaving.

        An exception inside is recorded as the tool's error, and goes on to the agent.
        """
        tool = Tool(f"call_{secrets.token_hex(8)}")
        await self._stream("tool_start", id=tool.id, name=name, input=input)
        try:
            yield tool
        except BaseException as error:
            said = str(error) or type(error).__name__
            self._outbox.add(frame("tool_end", id=tool.id, name=name, error=said))
            raise
        ended = {"summary": tool.summary, "output": tool.output}
        await self._stream("tool_end", id=tool.id, name=name, **ended)

    async def usage(
        self, *, model: str, cost_usd: Decimal | str | None = None, **counts: Any
    ) -> None:
        """Record tokens spent.

        Args:
            model: which; the server's prices decide the cost, unknown without one for it.
            cost_usd: the provider's own statement of the cost; wins over the prices.
            counts: `raw`, the usage object of the provider's response, with `provider`; or
                `prompt_tokens` (cached ones included), `completion_tokens` (reasoning
                included), and what else a usage report may have.
        """
        cost = None if cost_usd is None else str(cost_usd)
        await self._stream("usage", model=model, cost_usd=cost, **counts)
        await self._heed_budget()

    async def _heed_budget(self) -> None:
        """Go on only when it is known what the spending did to a budget, if there may be one."""
        if self._outbox.is_limited:
            await self._outbox.flush()
        await self._ask_for_more()

    async def _ask_for_more(self) -> None:
        """Wait for a human where a budget wants one asked; a no leaves the budget as it is."""
        question = self._outbox.take_question()
        if question is not None:
            await self.approval("budget", question, on_reject="resume")
            self._outbox.take_question()  # of frames that left before the answer

    async def approval(
        self,
        checkpoint: str,
        payload: Json,
        *,
        required_role: Literal["operator", "admin"] | None = None,
        not_requester: bool | None = None,
        on_reject: Literal["end", "resume"] | None = None,
        expires_in_s: float | None = None,
    ) -> Approval:
        """Wait until a human decides on what is shown; however long, it takes no worker's slot.

        Act on the `payload` of what is returned: a human may have edited it before saying yes. A
        no ends the run, and this never returns; with `on_reject="resume"` it returns a decision
        that is not `approved`. When the run is done again, after a lost worker, the answers that
        were given stand: the same checkpoint with the same payload is not asked twice.

        Args:
            checkpoint: a name for the place where the run waits.
            payload: what the human is shown, exactly.
            required_role: who decides has at least this role.
            not_requester: who asked for the run does not decide.
            on_reject: "resume" to go on after a no; "end", as by default, to end with it.
            expires_in_s: seconds after which the server says no.
        """
        given = self._given_before(checkpoint, _digest(payload), resumes=on_reject == "resume")
        if given is not None:
            return given
        asked = {
            "checkpoint_name": checkpoint,
            "payload": payload,
            "required_role": required_role,
            "not_requester": not_requester,
            "on_reject": on_reject,
            "expires_in_s": expires_in_s,
        }
        await self._outbox.say("approvals", asked)
        stands = await self._waits.answer()
        return _approval(stands["approvals"][-1])

    async def child(self, agent: str, input: Json, *, metadata: Json | None = None) -> Json:  # noqa: A002 - the word on the wire
        """Have another agent do something, and wait for it; it takes no slot of this worker.

        Args:
            agent: its name.
            input: what it gets.
            metadata: of the child.

        Returns:
            Its output.

        Raises:
            ChildFailed: it ended in any other way than completed.
        """
        await self._outbox.flush()
        ended = await self._waits.child(agent, input, metadata or {})
        if ended.status != "completed":
            raise ChildFailed(ended)
        return ended.output or {}

    def _given_before(self, checkpoint: str, digest: str, *, resumes: bool) -> Approval | None:
        """The decision on the same before. A no counts for who asked to go on after one."""
        for given in self._given:
            is_same = (given.checkpoint, given.asked_digest) == (checkpoint, digest)
            if is_same and (given.approved or resumes):
                self._given.remove(given)
                return given
        return None

    async def _stream(self, type_: str, **facts: Any) -> None:
        self._outbox.add(frame(type_, **facts))
        await self._outbox.make_room()
        await self._ask_for_more()


def _approval(said: Json) -> Approval:
    facts: Any = {name: said.get(name) for name in Approval._fields}
    return Approval(**facts)


def _digest(payload: Json) -> str:
    return f"sha256:{sha256(rfc8785.dumps(payload)).hexdigest()}"
