"""Recording a run from outside: an agent that lives in another process, in any language."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from ledger import commands as c
from ledger.frames import FRAMES, Step, UsageReport, steps_of
from ledger.orders import Receipt
from server.auth import Permission
from server.dispatch import DISPATCH
from server.errors import InvalidRequest
from server.route import (
    Answer,
    Call,
    Route,
    check_event_size,
    invalid,
    one,
    parse_json,
    read_json,
)
from server.schemas import executions as s

NDJSON = "application/x-ndjson"


async def create(call: Call) -> Answer:
    """Announce a run that the caller records."""
    return await _record(call, creation_of(call.body, call), status=HTTPStatus.CREATED)


async def start(call: Call) -> Answer:
    """Begin work on it."""
    actor = call.principal.actor
    worker = call.body.worker or actor.name or actor.id
    return await _record(call, c.Start(_id(call), worker, call.body.at, call.lease))


async def frames(call: Call) -> Answer:
    """Record frames: one, a JSON array, or one per line; all of them in one durable append."""
    steps = await _steps(call)
    if not steps:
        message = "body: no frames"
        raise InvalidRequest(message)
    return await _record(call, c.Append(_id(call), steps, call.lease))


async def usage(call: Call) -> Answer:
    """Record tokens spent."""
    steps = checked(call, [call.body])
    return await _record(call, c.Append(_id(call), steps, call.lease))


async def request_approval(call: Call) -> Answer:
    """Park the run until a human decides."""
    body = call.body
    call.check_event(body.payload)
    command = c.RequestApproval(
        _id(call), body.checkpoint_name, body.payload, body.expires_at, body.policy, call.lease
    )
    return await _record(call, command, status=HTTPStatus.CREATED)


async def complete(call: Call) -> Answer:
    """Finish with an output."""
    body = call.body
    call.check_event(body.output)
    steps = checked(call, steps_of(body.frames))
    return await _record(call, c.Complete(_id(call), body.output, body.at, call.lease, steps))


async def fail(call: Call) -> Answer:
    """End by an error."""
    body = call.body
    said = body.error, body.error_code, body.error_type, body.trace, body.at
    command = c.Fail(_id(call), *said, call.lease, checked(call, steps_of(body.frames)))
    return await _record(call, command)


async def annotate(call: Call) -> Answer:
    """Add or change metadata."""
    call.check_event(call.body.metadata)
    return await _record(call, c.Annotate(_id(call), call.body.metadata))


def creation_of(body: s.CreateBody, call: Call) -> c.CreateExecution:
    """The command behind a body that announces a run."""
    if (body.agent is None) == (body.agent_id is None):
        message = "agent, agent_id: give one of the two"
        raise InvalidRequest(message)
    call.check_event(body.input, body.metadata)
    return c.CreateExecution(
        mode="record",
        input=body.input,
        agent_id=body.agent_id,
        agent_name=body.agent,
        version_id=body.version_id,
        metadata=body.metadata or {},
        session_id=body.session_id or "",
        user_id=body.user_id or "",
        parent_execution_id=body.parent_execution_id,
        trace_id=call.trace_id,
        occurred_at=body.created_at,
    )


async def _steps(call: Call) -> Sequence[Step]:
    request = call.request
    if request.content_type == NDJSON:
        text = await request.read()
        value: Any = [
            parse_json(line, f"line {number}")
            for number, line in enumerate(text.split(b"\n"), 1)
            if line.strip()
        ]
    else:
        value = await read_json(request)
    try:
        batch = FRAMES.validate_python(value if isinstance(value, list) else [value])
    except ValidationError as error:
        raise invalid(error, "frames") from None
    return checked(call, steps_of(batch))


def checked(call: Call, steps: Sequence[Step]) -> Sequence[Step]:
    """Refuse an event beyond the limit, and usage that means nothing, before any is recorded."""
    most = call.services.settings.max_payload_bytes
    for step in steps:
        if isinstance(step, UsageReport):
            call.check_event(step.raw)
            _ = step.reading  # done here it takes no time of the writer's
        else:
            check_event_size(len(step.payload), most)
    return steps


def _id(call: Call) -> str:
    return call.path("execution_id")


async def _record(
    call: Call, command: c.Command, status: HTTPStatus = HTTPStatus.OK
) -> web.StreamResponse:
    size = call.size()
    receipt = await call.services.record(command, await call.caller(), size)
    return answer(call, receipt, status=status)


def answer(call: Call, receipt: Receipt, *, status: HTTPStatus) -> Answer:
    """The answer to a write."""
    return one(told(call, receipt), status=status, version=receipt.version)


def told(call: Call, receipt: Receipt) -> dict[str, Any]:
    """What is said of a write; a worker learns by it whether to stop, and is heard of."""
    dispatch = call.request.app[DISPATCH]
    dispatch.heard(receipt.id, call.lease)
    said = said_of(receipt)
    if dispatch.is_cancelling(receipt.id):
        said["cancellation_requested"] = True
    return said


def said_of(receipt: Receipt) -> dict[str, Any]:
    """What is said of every write."""
    told: dict[str, Any] = {
        "id": receipt.id,
        "execution_id": receipt.id,
        "version": receipt.version,
        "position": receipt.position,
        "repeated": receipt.repeated,
    }
    if receipt.budget is not None:
        told["budget"] = receipt.budget
    if receipt.subject is not None:
        told["approval_id"] = receipt.subject
    return told


def _route(path: str, handle: Any, summary: str, **more: Any) -> Route:
    more.setdefault("answer", s.Recorded)
    return Route(
        method="POST",
        path=f"/api/v1/executions{path}",
        handle=handle,
        summary=summary,
        tag="recording",
        needs=Permission.RECORD,
        **more,
    )


_ONE = "/{execution_id}"

ROUTES = (
    _route(f"{_ONE}/start", start, "Begin work", body=s.StartBody),
    _route(
        f"{_ONE}/frames",
        frames,
        "Record frames: one, an array, or NDJSON",
        body=s.FramesBody,
        raw_body=True,
    ),
    _route(f"{_ONE}/usage", usage, "Record tokens spent", body=UsageReport),
    _route(
        f"{_ONE}/approvals",
        request_approval,
        "Ask for approval",
        body=s.ApprovalBody,
        status=HTTPStatus.CREATED,
    ),
    _route(f"{_ONE}/complete", complete, "Finish with an output", body=s.CompleteBody),
    _route(f"{_ONE}/fail", fail, "End by an error", body=s.FailBody),
    _route(f"{_ONE}/annotate", annotate, "Add or change metadata", body=s.AnnotateBody),
)
