"""What an agent is given: its input, and the ways to say what it does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from ledger import events as e
from ledger.approval_policy import ApprovalPolicy, DecidingRole, OnReject, policy_in
from ledger.commands import RequestApproval
from ledger.digest import digest_of
from ledger.events import EncodedFrame
from ledger.frames import UsageReport
from ledger.ids import random_hex
from ledger.mapper import Recorded
from ledger.strict_json import decode, encode
from ledger_client.models import Execution
from ledger_client.work import ChildFailed
from server.assignment import Approval, Assignment, approval_of
from server.outbox import Outbox
from server.route import check_event_size

Json = dict[str, Any]
Park = Callable[["asyncio.Future[Recorded]"], Awaitable[Recorded]]
"""Gives the slot back, waits for the decision, and goes on with a slot."""

BeginChild = Callable[[str, Json, Json], Awaitable[Execution]]
"""Gives the slot back, has another agent do something, and goes on with a slot."""


class Tool:
    """A call of a tool that is under way."""

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.output: Any = None
        self.summary: str | None = None

    def result(self, output: Any, *, summary: str | None = None) -> None:
        """Say what the tool answered; `summary` is short text for display."""
        self.output, self.summary = output, summary


class Run:
    """One attempt of an execution, as its agent sees it. For the agent's own task only.

    Attributes:
        execution_id: of the execution.
        attempt: 1 for the first; a later one follows a lost worker.
        input: as it was sent; it satisfied the version's schema.
        metadata: of the execution.
        config: of the agent's version, as its program says it.
        cancelled: whether somebody asked for it to stop.
        decisions: what humans decided in earlier attempts, in order.
    """

    def __init__(
        self,
        assignment: Assignment,
        outbox: Outbox,
        park: Park,
        begin_child: BeginChild,
        most_bytes: int,
        config: Json,
    ) -> None:
        self.execution_id = assignment.execution_id
        self.agent_version_id = assignment.agent_version_id
        self.session_id = assignment.session_id
        self.user_id = assignment.user_id
        self.trace_id = assignment.trace_id
        self.attempt = assignment.attempt
        self.input = assignment.input
        self.metadata = assignment.metadata
        self.config = config
        self.cancelled = False
        self.decisions = assignment.approvals
        self._outbox = outbox
        self._park = park
        self._begin_child = begin_child
        self._most_bytes = most_bytes
        self._given = list(assignment.approvals)
        self._decision: asyncio.Future[Recorded] | None = None
        self._edited: Recorded | None = None

    async def thinking(self, text: str) -> None:
        """Stream reasoning text."""
        await self._stream(e.Thought, content=text)

    async def content(self, text: str) -> None:
        """Stream a piece of the answer."""
        await self._stream(e.ContentStreamed, content=text)

    @asynccontextmanager
    async def tool(self, name: str, input: Any = None) -> AsyncIterator[Tool]:  # noqa: A002 - the word on the wire
        """Record a call of a tool: its start on entry, its end on leaving.

        An exception inside is recorded as the tool's error, and goes on to the agent.
        """
        tool = Tool(f"call_{random_hex(8)}")
        await self._stream(e.ToolStarted, id=tool.id, name=name, input=input)
        try:
            yield tool
        except BaseException as error:
            said = str(error) or type(error).__name__
            self._add(e.ToolEnded, id=tool.id, name=name, error=said)
            raise
        await self._stream(
            e.ToolEnded, id=tool.id, name=name, summary=tool.summary, output=tool.output
        )

    async def usage(
        self, *, model: str, cost_usd: Decimal | str | None = None, **counts: Any
    ) -> None:
        """Record tokens spent.

        Args:
            model: which; prices decide the cost, unknown without one for it.
            cost_usd: the provider's own statement of the cost; wins over the prices.
            counts: `raw`, the usage object of the response, with `provider`; or
                `prompt_tokens` (cached ones included), `completion_tokens` (reasoning
                included), and the other fields of `UsageReport`.

        Raises:
            ValidationError, InvalidUsage: counts that cannot be, or contradict each other.
        """
        cost = None if cost_usd is None else Decimal(cost_usd)
        report = UsageReport(model=model, cost_usd=cost, **counts)
        _ = report.reading  # refused here, where the agent can see it
        self._outbox.add(report)
        await self._outbox.make_room()
        await self._heed_budget()

    async def _heed_budget(self) -> None:
        """Go on only when it is known what the spending did to a budget, if there may be one."""
        if self._outbox.is_limited is not False:
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
        required_role: DecidingRole | None = None,
        not_requester: bool | None = None,
        on_reject: OnReject | None = None,
        expires_in_s: float | None = None,
    ) -> Approval:
        """Wait until a human decides on what is shown; however long, it takes no worker's slot.

        Act on the `payload` of what is returned: a human may have edited it before saying yes. A
        no ends the run, and this never returns; with `on_reject="resume"` it returns a decision
        that is not `approved`. When the run is done again, after a restart, the answers that were
        given stand: the same checkpoint with the same payload is not asked twice.

        Args:
            checkpoint: where the run waits.
            payload: what the human is shown.
            required_role: who decides has at least this role.
            not_requester: who asked for the run does not decide.
            on_reject: "resume" to go on after a no; "end", as by default, to end with it.
            expires_in_s: seconds after which the server says no.

        Raises:
            NotCanonical: the payload has a number that has no single form.
            InvalidPolicy: the policy says what means nothing.
        """
        facts = {
            "required_role": required_role,
            "not_requester": not_requester,
            "on_reject": on_reject,
            "expires_in_s": expires_in_s,
        }
        policy = policy_in(facts) or ApprovalPolicy()
        shown = decode(encode(payload))
        given = self._given_before(checkpoint, digest_of(shown), policy)
        if given is not None:
            return given
        self._decision, self._edited = asyncio.get_running_loop().create_future(), None
        try:
            request = RequestApproval(self.execution_id, checkpoint, shown, policy=policy)
            receipt = await self._outbox.give(request)
            decision = await self._park(self._decision)
            return approval_of(receipt.events[0], self._edited, decision)
        finally:
            self._decision = None

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
        ended = await self._begin_child(agent, input, metadata or {})
        if ended.status != "completed":
            raise ChildFailed(ended)
        return ended.output or {}

    def decided(self, decision: Recorded) -> bool:
        """Tell the run what was decided; whether it waited for that. For its worker."""
        if self._decision is None or self._decision.done():
            return False
        self._decision.set_result(decision)
        return True

    def edited(self, request: Recorded) -> None:
        """Tell the run that it waits for a decision on something else now. For its worker."""
        self._edited = request

    def _given_before(
        self, checkpoint: str, digest: str, policy: ApprovalPolicy
    ) -> Approval | None:
        """The decision on the same before. A no counts for who asked to go on after one."""
        for given in self._given:
            if (given.checkpoint, given.asked_digest) == (checkpoint, digest) and (
                given.approved or policy.on_reject == "resume"
            ):
                self._given.remove(given)
                return given
        return None

    async def _stream(self, event: type[e.Frame], **facts: Any) -> None:
        self._add(event, **facts)
        await self._outbox.make_room()
        await self._ask_for_more()

    def _add(self, event: type[e.Frame], **facts: Any) -> None:
        payload = encode({name: fact for name, fact in facts.items() if fact is not None})
        check_event_size(len(payload), self._most_bytes)
        self._outbox.add(EncodedFrame(event, payload))
