"""Executions: ask for one, find it, look at it, stop it, decide on it."""

from asyncio import get_running_loop
from http import HTTPStatus
from typing import Any

from sqlalchemy import Connection

from ledger import commands as c
from ledger.errors import LedgerError, NotFound
from ledger.events import ApprovalRequested
from ledger.orders import Receipt
from projections import approvals, executions
from projections.filters import parse_filters
from projections.pages import Listing
from server.api import recording
from server.auth import Permission
from server.frames import ENDINGS
from server.route import Answer, Call, Handle, Route, one, page
from server.schemas import executions as s
from server.schemas.approvals import ApprovalRequest, AskedExecution
from server.services import Services

_MOST_IN_TREE = 1_000
_PAUSES = ENDINGS | {ApprovalRequested.TOPIC}


async def execute(call: Call) -> Answer:
    """Ask for a run of an agent. Answers at once, or when it ends or pauses, or after 25 s."""
    return await begin(call, call.body)


async def begin(call: Call, body: s.ExecuteBody) -> Answer:
    """Create an execution that a worker will take up."""
    call.check_event(body.input, body.metadata)
    command = c.CreateExecution(
        mode="execute",
        input=body.input,
        agent_id=call.path("agent_id"),
        version_id=body.version_id or None,
        metadata=body.metadata or {},
        session_id=body.session_id or "",
        user_id=body.user_id or "",
        parent_execution_id=body.parent_execution_id or None,
        trace_id=call.trace_id,
    )
    receipt = await call.services.record(command, await call.caller(), call.size())
    if body.waits:
        await _settled(call.services, receipt.id, call.services.settings.wait_seconds)
        return await answer(call, receipt._replace(repeated=False), status=HTTPStatus.CREATED)
    # What was recorded is in the log; nobody has to wait for the views to hear of it.
    shown = await _as_it_was(call, receipt.id, receipt.version)
    return one(shown, status=HTTPStatus.CREATED, version=receipt.version)


async def _settled(services: Services, id_: str, seconds: float) -> None:
    """Wait until an execution ended or waits for a human; at most so long."""
    clock = get_running_loop().time
    deadline = clock() + seconds
    with services.hub.join(id_) as channel:
        while not services.hub.closing:
            seen = channel.last
            facts = await services.read(lambda: services.ledger.read_facts(id_))
            moves = [fact for fact in facts if "status" in fact.facts]
            if moves[-1].topic in _PAUSES or clock() >= deadline:
                return
            await channel.went_on(max(seen, facts[-1].version), deadline - clock())


async def answer(call: Call, receipt: Receipt, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    """The execution a command was about; for a repeated request as it was then."""
    shown = await _after(call, receipt)
    return one(shown, status=status, version=shown["version"])


async def _after(call: Call, receipt: Receipt) -> dict[str, Any]:
    if receipt.repeated:
        return await _as_it_was(call, receipt.id, receipt.version)
    return await call.services.query(
        lambda connection: executions.get_execution(connection, call.workspace, receipt.id)
    )


async def _as_it_was(call: Call, id_: str, version: int) -> dict[str, Any]:
    """The execution after one of its events, folded from the log."""
    ledger = call.services.ledger

    def read() -> dict[str, Any]:
        facts = ledger.read_facts(id_, version)
        call.check_execution(id_, facts)
        last = ledger.read_execution(id_, version - 1, 1, version)
        if not last:
            raise NoSuchEvent(id_, version)
        return executions.as_of([*facts, *last] if facts[-1] != last[0] else facts)

    return await call.services.read(read)


class NoSuchEvent(NotFound):
    """An execution has fewer events than somebody thinks."""

    def __init__(self, id_: str, version: int) -> None:
        message = f"execution {id_} has no event {version}; its `version` is the number of its last"
        LedgerError.__init__(self, message, kind="event", id=str(version), execution_id=id_)


async def list_(call: Call) -> Answer:
    """Executions, newest first, by any of the filters."""
    wanted = parse_filters(call.parameters)
    found = await call.services.query(
        lambda connection: executions.list_executions(connection, call.workspace, wanted)
    )
    return page(found.items, found.meta)


async def show(call: Call) -> Answer:
    """One execution; with `at`, as it was after that event."""
    id_ = call.path("execution_id")
    if call.query.at is not None:
        shown = await _as_it_was(call, id_, call.query.at)
    else:
        shown = await call.services.query(
            lambda connection: executions.get_execution(connection, call.workspace, id_)
        )
    return one(shown, version=shown["version"])


async def tree(call: Call) -> Answer:
    """One execution with its children, and theirs."""
    id_ = call.path("execution_id")
    shown = await call.services.query(
        lambda connection: executions.tree(connection, call.workspace, id_, _MOST_IN_TREE)
    )
    return one(shown, version=shown["version"])


async def cancel(call: Call) -> Answer:
    """Stop it. A finished run is returned unchanged."""
    command = c.Cancel(call.path("execution_id"), call.body.reason, call.body.confirm, call.lease)
    return await answer(call, await call.services.record(command, await call.caller()))


async def approve(call: Call) -> Answer:
    """Say yes to whatever the run waits for."""
    return await _decide(call, approve=True)


async def deny(call: Call) -> Answer:
    """Say no to whatever the run waits for."""
    return await _decide(call, approve=False)


async def _decide(call: Call, *, approve: bool) -> Answer:
    body = call.body
    id_ = call.path("execution_id")
    command = c.Decide(id_, approve, body.reason, payload_digest=body.payload_digest)
    receipt = await call.services.record(command, await call.caller())
    shown = await _after(call, receipt)
    shown["approval"] = await call.services.query(
        lambda connection: approvals.get_approval(connection, call.workspace, receipt.subject or "")
    )
    return one(shown, version=shown["version"])


async def inbox(call: Call) -> Answer:
    """Executions that wait for a human, and, unless `fields` are named, what they wait for."""
    parameters = [*call.parameters, ("status", "awaiting_approval")]
    wanted = parse_filters(parameters)

    def ask(connection: Connection) -> Listing:
        found = executions.list_executions(connection, call.workspace, wanted)
        if wanted.fields is None:
            ids = [item["id"] for item in found.items]
            requests = approvals.pending_of_each(connection, call.workspace, ids)
            for item in found.items:
                item["approval"] = requests.get(item["id"])
        return found

    found = await call.services.query(ask)
    return page(found.items, found.meta)


async def pending_approval(call: Call) -> Answer:
    """What the run waits for."""
    id_ = call.path("execution_id")
    found = await call.services.query(
        lambda connection: approvals.pending_of(connection, call.workspace, id_)
    )
    if found is None:
        raise NotFound("pending approval of execution", id_)
    return one(found)


def _route(method: str, path: str, handle: Handle, summary: str, **more: Any) -> Route:
    more.setdefault("answer", s.Execution)
    return Route(
        method=method,
        path=f"/api/v1{path}",
        handle=handle,
        summary=summary,
        tag="executions",
        **more,
    )


_ONE = "/executions/{execution_id}"

ROUTES = (
    _route(
        "POST",
        "/agents/{agent_id}/execute",
        execute,
        "Run an agent; waits for the end or a pause unless asked not to",
        needs=Permission.RECORD,
        body=s.ExecuteBody,
        status=HTTPStatus.CREATED,
    ),
    _route(
        "POST",
        "/executions",
        recording.create,
        "Announce a run that you record yourself",
        needs=Permission.RECORD,
        body=s.CreateBody,
        answer=s.Recorded,
        status=HTTPStatus.CREATED,
    ),
    _route("GET", "/executions", list_, "List executions", many="page", lenient_query=True),
    _route(
        "GET",
        "/executions/approval-inbox",
        inbox,
        "Executions that wait for a human",
        answer=AskedExecution,
        many="page",
        lenient_query=True,
    ),
    _route("GET", _ONE, show, "One execution; with `at`, as it was", query=s.OneQuery),
    _route("GET", f"{_ONE}/tree", tree, "One execution with its children, recursively"),
    _route(
        "GET",
        f"{_ONE}/pending-approval",
        pending_approval,
        "The approval it waits for",
        answer=ApprovalRequest,
    ),
    _route(
        "POST",
        f"{_ONE}/cancel",
        cancel,
        "Stop it; requested first where somebody works on it",
        needs=Permission.RECORD,
        body=s.CancelBody,
    ),
    _route(
        "POST",
        f"{_ONE}/approve",
        approve,
        "Say yes to what it waits for",
        needs=Permission.DECIDE,
        body=s.AnswerBody,
        answer=AskedExecution,
    ),
    _route(
        "POST",
        f"{_ONE}/deny",
        deny,
        "Say no to what it waits for",
        needs=Permission.DECIDE,
        body=s.AnswerBody,
        answer=AskedExecution,
    ),
)
