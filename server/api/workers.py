"""Workers: take executions up, be heard of, go on after a human's answer, give back."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from sqlalchemy import Connection

from ledger.commands import LoseWorker
from ledger.errors import LedgerError, NotFound
from ledger.orders import Caller, Receipt
from projections import agents
from server.api.recording import said_of, told
from server.assignment import Assignment
from server.auth import Permission
from server.dispatch import DISPATCH, Dispatch, Given
from server.registration import register
from server.route import Answer, Call, Route, one
from server.schemas import executions as s
from server.schemas import workers as w

Json = dict[str, Any]
T = TypeVar("T")


async def register_(call: Call) -> Answer:
    """Make the caller's agents known; a version whose label is new is put in force."""
    agents_ = call.body.agents
    known = await register(call.services, await _caller(call), agents_)
    return one(
        [
            {"name": agent.name, "version": agent.version, **each._asdict()}
            for agent, each in zip(agents_, known, strict=True)
        ]
    )


async def claim(call: Call) -> Answer:
    """Give the caller executions of its agents, each under a lease of its own."""
    dispatch, body = _dispatch(call), call.body
    caller = await _caller(call)
    ids = await _known(call, lambda connection: _ids(connection, caller.workspace, body))
    worker = _worker(caller, body)
    given = await dispatch.claim(caller, worker, ids, body.most, body.wait_seconds)
    try:
        versions = await _versions(call, [each.assignment for each in given])
        return one([_shown(call, each, versions) for each in given])
    except asyncio.CancelledError:
        dispatch.give_back(caller, given)
        raise


class UnknownAgent(NotFound):
    """A worker names an agent that nobody registered."""

    def __init__(self, name: str) -> None:
        LedgerError.__init__(self, f"there is no agent named {name!r}; register it", name=name)


async def leave(call: Call) -> Answer:
    """Let the claims that wait under a worker's name be answered at once, with nothing."""
    body, caller = call.body, await _caller(call)
    ids = await call.services.query(lambda connection: _ids(connection, caller.workspace, body))
    worker = _worker(caller, body)
    _dispatch(call).leave(caller, worker, ids)
    return one({"worker": worker})


def _worker(caller: Caller, body: w.ClaimBody | w.LeaveBody) -> str:
    return body.worker or caller.actor.name or caller.actor.id


def _ids(connection: Connection, workspace: str, body: w.ClaimBody | w.LeaveBody) -> list[str]:
    ids: list[str] = []
    for name in body.agents:
        found = agents.find_agent(connection, workspace, name)
        if found is None:
            raise UnknownAgent(name)
        ids.append(found["id"])
    return ids


async def heartbeat(call: Call) -> Answer:
    """Give the lease its whole time again, and say whether the work is to stop."""
    dispatch, id_ = _dispatch(call), call.path("execution_id")
    await dispatch.hear_from(call.workspace, id_, call.lease)
    if call.body.wait_seconds:
        await dispatch.until_to_stop(id_, call.body.wait_seconds)
        await dispatch.hear_from(call.workspace, id_, call.lease)
    return one(
        {
            "execution_id": id_,
            "lease_seconds": dispatch.lease_seconds,
            "cancellation_requested": dispatch.is_cancelling(id_),
        }
    )


async def go_on(call: Call) -> Answer:
    """Wait for the human's answer; if it is yes, the execution runs again under the same lease."""
    dispatch, id_ = _dispatch(call), call.path("execution_id")
    caller = await call.caller()
    found = await dispatch.go_on(caller, id_, call.lease, call.body.wait_seconds)
    versions = await _versions(call, [found])
    return one(_shown(call, Given(found), versions), version=found.version)


async def release(call: Call) -> Answer:
    """Give the execution back to be taken up by another worker; no attempt is used up."""
    id_, dispatch = call.path("execution_id"), _dispatch(call)
    await dispatch.hear_from(call.workspace, id_, call.lease)
    parked = await dispatch.let_go_while_parked(id_)
    if parked is not None:
        return one(said_of(Receipt(id_, parked.version)), version=parked.version)
    command = LoseWorker(id_, most_attempts=0, lease=call.lease, in_good_order=True)
    receipt = await call.services.record(command, await call.caller())
    return one(told(call, receipt), version=receipt.version)


def _shown(call: Call, given: Given, versions: Mapping[str, Json]) -> dict[str, Any]:
    found = given.assignment
    version = versions[found.agent_version_id]
    dispatch = _dispatch(call)
    seconds = dispatch.lease_seconds
    return {
        "execution_id": found.execution_id,
        "agent_id": found.agent_id,
        "agent_name": found.agent_name,
        "agent_version_id": found.agent_version_id,
        "agent_version": version["version"],
        "config": version["config"],
        "input": found.input,
        "metadata": found.metadata,
        "session_id": found.session_id,
        "user_id": found.user_id,
        "trace_id": found.trace_id,
        "status": found.status,
        "attempt": found.attempt,
        "approvals": [approval._asdict() for approval in found.approvals],
        "deadline_at": found.deadline_at,
        "version": found.version,
        "cancellation_requested": dispatch.is_cancelling(found.execution_id),
        "budget": given.budget,
        "lease": {"token": given.token, "seconds": seconds, "heartbeat_seconds": seconds / 3},
    }


async def _versions(call: Call, given: Sequence[Assignment]) -> Mapping[str, Json]:
    """The versions that executions are of, by id, each asked for once."""
    places = {each.agent_version_id: each.agent_id for each in given if each.agent_version_id}

    def ask(connection: Connection) -> Mapping[str, Json]:
        return {
            id_: agents.get_version(connection, call.workspace, agent_id, id_)
            for id_, agent_id in places.items()
        }

    found = await _known(call, ask) if places else {}
    return {"": {"version": "", "config": {}}, **found}


async def _known(call: Call, query: Callable[[Connection], T]) -> T:
    """Ask the views as they stand, and only for what they lack wait until they have it."""
    try:
        return await call.services.query(query, fresh=False)
    except NotFound:
        return await call.services.query(query)


async def _caller(call: Call) -> Caller:
    """For what is several commands, or none: a key stands for one."""
    return (await call.caller())._replace(key=None, digest="", expected_version=None)


def _dispatch(call: Call) -> Dispatch:
    return call.request.app[DISPATCH]


def _route(path: str, handle: Any, summary: str, **more: Any) -> Route:
    return Route(
        method="POST",
        path=f"/api/v1{path}",
        handle=handle,
        summary=summary,
        tag="workers",
        needs=Permission.RECORD,
        status=HTTPStatus.OK,
        **more,
    )


_ONE = "/executions/{execution_id}"

ROUTES = (
    _route(
        "/workers/register",
        register_,
        "Make a worker's agents known, once",
        body=w.RegisterBody,
        answer=w.Registered,
        many="list",
    ),
    _route(
        "/workers/claim",
        claim,
        "Take up executions of some agents; waits for one to come",
        body=w.ClaimBody,
        answer=w.Assignment,
        many="list",
    ),
    _route(
        "/workers/leave",
        leave,
        "Let claims that wait be answered with nothing",
        body=w.LeaveBody,
        answer=w.Left,
    ),
    _route(
        f"{_ONE}/heartbeat",
        heartbeat,
        "Keep the lease, and learn whether to stop",
        body=w.HeartbeatBody,
        answer=w.Heartbeat,
    ),
    _route(
        f"{_ONE}/go-on",
        go_on,
        "Go on after a human's answer; waits for it",
        body=w.GoOnBody,
        answer=w.Assignment,
    ),
    _route(
        f"{_ONE}/release",
        release,
        "Give it back for another worker",
        body=w.ReleaseBody,
        answer=s.Recorded,
    ),
)
