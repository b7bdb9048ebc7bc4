"""Sessions: what happened under one session id."""

from typing import Any

from projections import sessions
from server.route import Answer, Call, Handle, Route, one, page
from server.schemas import sessions as s
from server.schemas.paging import PageQuery

_SESSIONS = "/api/v1/sessions"


async def list_(call: Call) -> Answer:
    """Sessions, the one that was last active first."""
    found = await call.services.query(
        lambda connection: sessions.list_sessions(connection, call.workspace, call.query.wanted)
    )
    return page(found.items, found.meta)


async def show(call: Call) -> Answer:
    """One session."""
    id_ = call.path("session_id")
    found = await call.services.query(
        lambda connection: sessions.get_session(connection, call.workspace, id_)
    )
    return one(found)


def _route(path: str, handle: Handle, summary: str, **more: Any) -> Route:
    return Route(
        method="GET",
        path=path,
        handle=handle,
        summary=summary,
        tag="sessions",
        answer=s.Session,
        **more,
    )


ROUTES = (
    _route(_SESSIONS, list_, "List sessions", query=PageQuery, many="page"),
    _route(f"{_SESSIONS}/{{session_id}}", show, "Show a session"),
)
