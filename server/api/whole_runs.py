"""Recording runs that are over: each in one durable append, many in one request."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from ledger import commands as c
from ledger.errors import LedgerError
from ledger.frames import Step, UsageReport, steps_of
from ledger.orders import Caller, Receipt
from ledger.strict_json import encode
from server.api.recording import NDJSON, answer, checked, creation_of, said_of
from server.auth import Permission
from server.errors import InvalidRequest, RequestError
from server.route import REQUEST_ID, Answer, Call, Route, one, parse_json, read_model
from server.schemas import executions as s

_MOST_LINES = 10_000
_LINES_AT_ONCE = 512  # one batch of the writer, which lets only so many commands wait


async def record(call: Call) -> Answer:
    """Record a whole run, or many, one per line; each is one durable append with its verdict."""
    text = await call.request.read()
    if call.request.content_type != NDJSON:
        value = parse_json(text, "body")
        caller = await call.caller()
        receipt = await _record_run(call, value, caller, len(text))
        return answer(call, receipt, status=HTTPStatus.CREATED)
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
        receipt = await _record_run(call, value, caller, len(line))
    except (LedgerError, RequestError) as error:
        said = {"code": error.code, "message": error.message, "details": error.details}
        return {"line": number, "error": said}
    return {"line": number, **said_of(receipt)}


async def _record_run(call: Call, value: Any, caller: Caller, size: int) -> Receipt:
    body = read_model(s.RunBody, value)
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
        steps=checked(call, _timed([*steps_of(body.frames), *body.usage], ended or began)),
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


ROUTES = (
    Route(
        method="POST",
        path="/api/v1/executions/record",
        handle=record,
        summary="Record a whole run, or many as NDJSON",
        tag="recording",
        needs=Permission.RECORD,
        body=s.RunBody,
        answer=s.Recorded,
        raw_body=True,
        verdict=s.Verdict,
        status=HTTPStatus.CREATED,
    ),
)
