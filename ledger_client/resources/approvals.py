"""Approvals: what waits for a human, and the human's decision."""

from collections.abc import Mapping
from typing import Any

from ledger_client.method import Awaiting, Blocking, Method, Walk
from ledger_client.models import ApprovalRequest
from ledger_client.paging import Page, page_of
from ledger_client.record import one
from ledger_client.request import Call, ask, place, write


def _list(
    _: Any,
    *,
    page: int | None = None,
    limit: int | None = None,
    cursor: str | None = None,
    status: str | None = None,
) -> Call[Page[ApprovalRequest]]:
    """Requests, newest first; `status` is pending, approved, rejected, expired or cancelled."""
    query = {"page": page, "limit": limit, "cursor": cursor, "status": status}
    return ask("/approvals", page_of(ApprovalRequest), query)


class ApprovalMethods:
    """What there is to do with approvals."""

    list = Method(_list)
    iterate = Walk(_list)

    @Method
    def get(self, approval_id: str) -> Call[ApprovalRequest]:
        """One request, with exactly what its human is shown."""
        return ask(place("approvals", approval_id), one(ApprovalRequest))

    @Method
    def decide(
        self,
        approval_id: str,
        *,
        decision: str,
        reason: str | None = None,
        payload_digest: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[ApprovalRequest]:
        """Decide: `approved` or `rejected`. A request is decided once.

        Args:
            approval_id: of the request.
            decision: the word for it.
            reason: why.
            payload_digest: of what was looked at; refused if the request shows something else.
            idempotency_key: the same key decides once; by default each call is its own.

        Raises:
            BadRequest: with code `already_decided`.
        """
        body = {"decision": decision, "reason": reason, "payload_digest": payload_digest}
        path = place("approvals", approval_id, "decide")
        return write("POST", path, one(ApprovalRequest), body, idempotency_key)

    @Method
    def supersede(
        self,
        approval_id: str,
        *,
        payload: Mapping[str, Any],
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[ApprovalRequest]:
        """Edit what is to be decided on. A new request takes the place of the old one."""
        body = {"payload": dict(payload), "reason": reason}
        path = place("approvals", approval_id, "supersede")
        return write("POST", path, one(ApprovalRequest), body, idempotency_key)


class Approvals(ApprovalMethods, Blocking):
    """Approvals, for the blocking client."""


class AsyncApprovals(ApprovalMethods, Awaiting):
    """Approvals, for the asyncio client."""
