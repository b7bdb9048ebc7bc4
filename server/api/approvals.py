"""Approvals: what waits for a human, and their decision."""

from http import HTTPStatus
from typing import Any

from ledger.commands import Decide, SupersedeApproval
from projections import approvals
from server.auth import Permission
from server.route import Answer, Call, Handle, Route, one, page
from server.schemas import approvals as s

_APPROVALS = "/api/v1/approvals"


async def list_(call: Call) -> Answer:
    """Requests for approval, newest first."""
    found = await call.services.query(
        lambda connection: approvals.list_approvals(
            connection, call.workspace, call.query.wanted, status=call.query.status
        )
    )
    return page(found.items, found.meta)


async def show(call: Call) -> Answer:
    """One request, with exactly what its human is shown."""
    return one(await _approval(call))


async def decide(call: Call) -> Answer:
    """Say yes or no. A request is decided once; who decided, the credentials say."""
    body = call.body
    approval = await _approval(call)
    command = Decide(
        approval["execution_id"],
        body.decision == "approved",
        body.reason,
        approval["id"],
        body.payload_digest,
    )
    await call.services.record(command, await call.caller(), call.size())
    return one(await _approval(call))


async def supersede(call: Call) -> Answer:
    """Edit what is to be decided on. The answer is a new request, and nobody decides on the old."""
    call.check_event(call.body.payload)
    approval = await _approval(call)
    command = SupersedeApproval(
        approval["execution_id"], approval["id"], call.body.payload, call.body.reason
    )
    receipt = await call.services.record(command, await call.caller(), call.size())
    return one(await _approval(call, receipt.subject), status=HTTPStatus.CREATED)


async def _approval(call: Call, id_: str | None = None) -> dict[str, Any]:
    id_ = id_ or call.path("approval_id")
    return await call.services.query(
        lambda connection: approvals.get_approval(connection, call.workspace, id_)
    )


def _route(method: str, path: str, handle: Handle, summary: str, **more: Any) -> Route:
    more.setdefault("answer", s.ApprovalRequest)
    return Route(method=method, path=path, handle=handle, summary=summary, tag="approvals", **more)


ROUTES = (
    _route("GET", _APPROVALS, list_, "List what was asked", query=s.ApprovalsQuery, many="page"),
    _route("GET", f"{_APPROVALS}/{{approval_id}}", show, "Show a request for approval"),
    _route(
        "POST",
        f"{_APPROVALS}/{{approval_id}}/decide",
        decide,
        "Approve or reject",
        needs=Permission.DECIDE,
        body=s.DecisionBody,
    ),
    _route(
        "POST",
        f"{_APPROVALS}/{{approval_id}}/supersede",
        supersede,
        "Edit what is to be decided on",
        needs=Permission.DECIDE,
        body=s.EditBody,
        status=HTTPStatus.CREATED,
    ),
)
