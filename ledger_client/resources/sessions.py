"""Sessions: what happened under one session id."""

from typing import Any

from ledger_client.method import Awaiting, Blocking, Method, Walk
from ledger_client.models import Session
from ledger_client.paging import Page, page_of
from ledger_client.record import one
from ledger_client.request import Call, ask, place


def _list(
    _: Any, *, page: int | None = None, limit: int | None = None, cursor: str | None = None
) -> Call[Page[Session]]:
    """Sessions, newest first."""
    query = {"page": page, "limit": limit, "cursor": cursor}
    return ask("/sessions", page_of(Session), query)


class SessionMethods:
    """What there is to ask about sessions."""

    list = Method(_list)
    iterate = Walk(_list)

    @Method
    def get(self, session_id: str) -> Call[Session]:
        """One session."""
        return ask(place("sessions", session_id), one(Session))


class Sessions(SessionMethods, Blocking):
    """Sessions, for the blocking client."""


class AsyncSessions(SessionMethods, Awaiting):
    """Sessions, for the asyncio client."""
