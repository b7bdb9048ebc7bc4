"""Recording a run from outside: an agent that lives in another process, in any language."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from ledger import commands as c
from ledger.errors import LedgerError
from ledger.frames import FRAMES, Step, UsageReport, steps_of
from ledger.orders import Caller, Receipt
from ledger.strict_json import encode
from server.auth import Permission
from server.errors import InvalidRequest, RequestError
from server.route import (
    REQUEST_ID,
    Answer,
    Call,
    Route,
    check_event_size,
    invalid,
    one,
    parse_json,
    read_json,
    read_model,
)
from server.schemas import executions as s

_NDJSON = "application/x-ndjson"
_MOST_LINES = 10_000
_LINES_AT_ONCE = 512  # one batch of the writer, which lets only so many commands wait


async def create(call: Call) -> Answer:
    """Announce a run that the caller records."""
    return await _record(call, creation_of(call.body, call), status=HTTPStatus.CREATED)


async def start(call: Call) -> Answer:
    """Begin work on it."""
    actor = call.principal.actor
    worker = call.body.worker or actor.name or actor.id
    return await _record(call, c.Start(_id(call), worker, call.body.at))


async def frames(call: Call) -> Answer:
    """Record frames: one, a JSON array, or one per line; all of them in one durable append."""
    steps = await _steps(call)
    if not steps:
        message = "body: no frames"
        raise InvalidRequest(message)
    return await _record(call, c.Append(_id(call), steps))


async def usage(call: Call) -> Answer:
    """Record tokens spent."""
    call.check_event(call.body.raw)
    return await _record(call, c.Append(_id(call), [call.body]))


async def request_approval(call: Call) -> Answer:
    """Park the run until a human decides."""
    body = call.body
    call.check_event(body.payload)
    command = c.RequestApproval(
        _id(call), body.checkpoint_name, body.payload, body.expires_at, body.policy
    )
    return await _record(call, command, status=HTTPStatus.CREATED)


async def complete(call: Call) -> Answer:
    """Finish with an output."""
    call.check_event(call.body.output)
    return await _record(call, c.Complete(_id(call), call.body.output, call.body.at))


async def fail(call: Call) -> Answer:
    """End by an error."""
    body = call.body
    command = c.Fail(_id(call), body.error, body.error_code, body.error_type, body.trace, body.at)
    return await _record(call, command)


async def annotate(call: Call) -> Answer:
    """Add or change metadata."""
    call.check_event(call.body.metadata)
    return await _record(call, c.Annotate(_id(call), call.body.metadata))


async def record(call: Call) -> Answer:
    """Record a whole run, or many, one per line; each is one durable append with its verdict."""
    text = await call.request.read()
    if call.request.content_type != _NDJSON:
        value = parse_json(text, "body")
        caller = await call.caller()
        receipt = await _record_run(call, value, "", caller, len(text))
        return _answer(receipt, status=HTTPStatus.CREATED)
    lines = [(n, line) for n, line in enumerate(text.split(b"\n"), 1) if line.strip()]
    if len(lines) > _MOST_LINES:
        message = f"body: {len(lines)} lines are more than {_MOST_LINES}; send them in parts"
        raise InvalidRequest(message)
    verdicts: list[dict[str, Any]] = []
    for start in range(0, len(lines), _LINES_AT_ONCE):
        part = lines[start : start + _LINES_AT_ONCE]
        verdicts += await asyncio.gather(*(_verdict(call, number, line) for number, line in part))
    return one(verdicts)


async def _verdict(call: Call, number: int, line: bytes) -> dict[str, Any]:
    """What became of one line. A line that is refused does not stop the others."""
    caller = Caller(
        call.workspace,
        call.principal.actor,
        call.request.get(REQUEST_ID),
        key=f"line:{sha256(line.strip()).hexdigest()}",
        digest="line",
    )
    try:
        value = parse_json(line, f"line {number}")
        receipt = await _record_run(call, value, "", caller, len(line))
    except (LedgerError, RequestError) as error:
        said = {"code": error.code, "message": error.message, "details": error.details}
        return {"line": number, "error": said}
    return {"line": number, **_told(receipt)}


async def _record_run(call: Call, value: Any, where: str, caller: Caller, size: int) -> Receipt:
    body = read_model(s.RunBody, value, where)
    if body.output is not None and body.error is not None:
        message = "output and error: a run ends with one of them"
        raise InvalidRequest(message)
    began, ended = body.started_at or body.created_at, body.completed_at
    if began is not None and ended is not None and ended < began:
        message = "completed_at: a run cannot end before it began"
        raise InvalidRequest(message)
    if body.idempotency_key is not None:
        caller = caller._replace(key=body.idempotency_key, digest=sha256(encode(value)).hexdigest())
    call.check_event(body.output)
    command = c.RecordRun(
        create=replace(creation_of(body, call), occurred_at=body.created_at or body.started_at),
        steps=_checked(call, _timed([*steps_of(body.frames), *body.usage], ended or began)),
        output=body.output,
        error=body.error,
        error_code=body.error_code,
        scores=[score.model_dump() for score in body.scores],
        started_at=body.started_at,
        completed_at=body.completed_at,
    )
    return await call.services.record(command, caller, size)


def _timed(steps: Sequence[Step], at: datetime | None) -> Sequence[Step]:
    """Steps of a run that is over: usage without a time of its own counts when the run did."""
    return [
        step.model_copy(update={"at": at})
        if isinstance(step, UsageReport) and not step.at
        else step
        for step in steps
    ]


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
    if request.content_type == _NDJSON:
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
    return _checked(call, steps_of(batch))


def _checked(call: Call, steps: Sequence[Step]) -> Sequence[Step]:
    """Refuse an event beyond the limit before any of the batch is recorded."""
    most = call.services.settings.max_payload_bytes
    for step in steps:
        if isinstance(step, UsageReport):
            call.check_event(step.raw)
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
    return _answer(receipt, status=status)


def _answer(receipt: Receipt, *, status: HTTPStatus) -> Answer:
    return one(_told(receipt), status=status, version=receipt.version)


def _told(receipt: Receipt) -> dict[str, Any]:
    told = {
        "id": receipt.id,
        "execution_id": receipt.id,
        "version": receipt.version,
        "position": receipt.position,
        "repeated": receipt.repeated,
    }
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
    _route(
        "/record",
        record,
        "Record a whole run, or many as NDJSON",
        body=s.RunBody,
        raw_body=True,
        verdict=s.Verdict,
        status=HTTPStatus.CREATED,
    ),
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
