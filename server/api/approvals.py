"""Approvals: what waits for a human, and their decision."""

from typing import Any

from ledger.commands import Decide
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
    approval = await _approval(call)
    approve = call.body.decision == "approved"
    command = Decide(approval["execution_id"], approve, call.body.reason, approval["id"])
    await call.services.record(command, await call.caller(), call.size())
    return one(await _approval(call))


async def _approval(call: Call) -> dict[str, Any]:
    id_ = call.path("approval_id")
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
)
