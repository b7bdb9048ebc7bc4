"""Executions: find them, look at them, watch and replay them, stop them, decide on them."""

from collections.abc import Mapping
from typing import Any

from ledger_client.following import Following
from ledger_client.method import Awaiting, Blocking, Method, Walk
from ledger_client.models import ApprovalRequest, AuditEvent, Execution
from ledger_client.paging import Page, page_of
from ledger_client.record import one
from ledger_client.request import Call, Task, ask, by_metadata, place, write
from ledger_client.streams import Streamed
from ledger_client.waiting import Wait


def _list(
    _: Any,
    /,
    *,
    page: int | None = None,
    limit: int | None = None,
    cursor: str | None = None,
    agent_id: str | None = None,
    status: Any = None,
    session_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    **filters: Any,
) -> Call[Page[Execution]]:
    """Executions, newest first, by any of the filters; all that are given must hold.

    Args:
        page: counted from 1.
        limit: rows of a page, at most 100.
        cursor: `meta.next_cursor` of the page before; wins over `page`.
        agent_id: of the agent.
        status: one status, or several as a list.
        session_id: of the caller's own.
        metadata: keys of the top level with their values.
        filters: every other one of the HTTP API: `model`, `min_cost`, `created_after`,
            `sort`, `fields` and the rest. Times may be `datetime`.
    """
    query = {"page": page, "limit": limit, "cursor": cursor, "agent_id": agent_id}
    query |= {"status": status, "session_id": session_id, **filters}
    query |= by_metadata(metadata)
    return ask("/executions", page_of(Execution), query)


def _inbox(
    _: Any, *, page: int | None = None, limit: int | None = None, cursor: str | None = None
) -> Call[Page[Execution]]:
    """Executions that wait for a human."""
    query = {"page": page, "limit": limit, "cursor": cursor}
    return ask("/executions/approval-inbox", page_of(Execution), query)


class ExecutionMethods:
    """What there is to do with executions."""

    list = Method(_list)
    iterate = Walk(_list)
    approval_inbox = Method(_inbox)

    @Method
    def get(self, execution_id: str) -> Call[Execution]:
        """One execution, as it is now."""
        return ask(place("executions", execution_id), one(Execution))

    @Method
    def at(self, execution_id: str, sequence: int) -> Call[Execution]:
        """One execution, as it was after the event of that sequence."""
        return ask(place("executions", execution_id), one(Execution), {"at": sequence})

    @Method
    def tree(self, execution_id: str) -> Call[Execution]:
        """One execution with its `children`, and theirs."""
        return ask(place("executions", execution_id, "tree"), one(Execution))

    @Method
    def events(
        self,
        execution_id: str,
        *,
        after: int | None = None,
        limit: int | None = None,
        type: Any = None,  # noqa: A002  the contract's name
    ) -> Call[Page[AuditEvent]]:
        """The recorded events of an execution: who, when, what.

        Args:
            execution_id: of the execution.
            after: the events after this sequence.
            limit: at most so many, up to 1000.
            type: only events of this type, or of these as a list.
        """
        query = {"after": after, "limit": limit, "type": type}
        return ask(place("executions", execution_id, "events"), page_of(AuditEvent), query)

    @Method
    def wait(
        self, execution_id: str, timeout: float | None = None, poll_seconds: float = 0.5
    ) -> Task[Execution]:
        """Wait until it is over: completed, failed, cancelled or rejected.

        Args:
            execution_id: of the execution.
            timeout: seconds; None waits as long as it takes.
            poll_seconds: from one question to the next.

        Raises:
            TimedOut: it is not over yet.
        """
        return Wait(ask(place("executions", execution_id), one(Execution)), timeout, poll_seconds)

    @Method
    def cancel(
        self, execution_id: str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> Call[Execution]:
        """Stop it. A run that somebody works on is asked to stop; a finished one stays as it is."""
        path = place("executions", execution_id, "cancel")
        return write("POST", path, one(Execution), {"reason": reason}, idempotency_key)

    @Method
    def approve(
        self,
        execution_id: str,
        *,
        reason: str | None = None,
        payload_digest: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Execution]:
        """Say yes to what it waits for; with `payload_digest`, to nothing else."""
        path = place("executions", execution_id, "approve")
        body = {"reason": reason, "payload_digest": payload_digest}
        return write("POST", path, one(Execution), body, idempotency_key)

    @Method
    def deny(
        self,
        execution_id: str,
        *,
        reason: str | None = None,
        payload_digest: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[Execution]:
        """Say no to what it waits for; with `payload_digest`, to nothing else."""
        path = place("executions", execution_id, "deny")
        body = {"reason": reason, "payload_digest": payload_digest}
        return write("POST", path, one(Execution), body, idempotency_key)

    @Method
    def pending_approval(self, execution_id: str) -> Call[ApprovalRequest]:
        """What it waits for. Raises NotFound when it waits for nothing."""
        return ask(place("executions", execution_id, "pending-approval"), one(ApprovalRequest))

    @Streamed
    def stream(
        self,
        execution_id: str,
        *,
        starting_after: int | None = None,
        replay: bool = True,
        patience: float = 60.0,
    ) -> Following:
        """Watch it to its end: every event recorded so far, then each as it happens.

        A connection that breaks is opened again after the last event; none is lost or repeated.

        Args:
            execution_id: of the execution.
            starting_after: only the events after this sequence.
            replay: False gives a finished execution's last event alone, which is what the server
                does when it is not asked for more.
            patience: seconds without a word of the server after which the stream is given up.

        Raises:
            ApiError: the server refuses.
            ConnectionFailed: nothing was heard for longer than `patience`.
        """
        everything = True if replay and starting_after is None else None
        query = {"starting_after": starting_after, "replay": everything}
        path = place("executions", execution_id)
        return Following(f"{path}/stream", path, query, patience=patience, last=starting_after or 0)

    @Streamed
    def replay(
        self,
        execution_id: str,
        *,
        speed: float = 0,
        starting_after: int = 0,
        until: int | None = None,
        patience: float = 60.0,
    ) -> Following:
        """Replay what was recorded so far, exactly as it was streamed.

        Args:
            execution_id: of the execution.
            speed: 0 is as fast as it goes, 1 the recorded pace, 10 ten times that.
            starting_after: only the events after this sequence.
            until: the last sequence that is wanted.
            patience: seconds without a word of the server after which it is given up.
        """
        query = {"speed": speed, "starting_after": starting_after, "until": until}
        path = place("executions", execution_id)
        return Following(f"{path}/replay", path, query, True, until, patience, last=starting_after)


class Executions(ExecutionMethods, Blocking):
    """Executions, for the blocking client."""


class AsyncExecutions(ExecutionMethods, Awaiting):
    """Executions, for the asyncio client."""
