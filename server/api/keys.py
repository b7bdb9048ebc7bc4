"""API keys: who may speak to the ledger. For administrators."""

from http import HTTPStatus
from typing import Any

from ledger.access import ANY_WORKSPACE, LockedOut
from ledger.commands import CreateKey, RevokeKey
from ledger.errors import Refused
from ledger.orders import Caller
from ledger.role import Role
from projections import keys
from server.auth import Permission, digest_of_secret, new_secret
from server.errors import Forbidden
from server.route import Answer, Call, Handle, Route, nothing, one, page
from server.schemas import keys as s
from server.schemas.paging import PageQuery

_KEYS = "/api/v1/keys"
_MOST_HEIRS = 100


class SecretShown(Refused):
    """The request is a repetition; the secret was in the first answer and is not kept."""

    code = "secret_shown"


async def list_(call: Call) -> Answer:
    """Keys in force that open this workspace, and those for all that were made in it."""
    found = await call.services.query(
        lambda connection: keys.list_keys(connection, call.workspace, call.query.wanted)
    )
    return page(found.items, found.meta)


async def create(call: Call) -> Answer:
    """Make a key. The answer shows its secret, this once."""
    workspace = _workspace(call)
    secret = new_secret()
    command = CreateKey(call.body.name, call.body.role, workspace, digest_of_secret(secret))
    receipt = await call.services.record(command, await _caller(call, workspace), call.size())
    if receipt.repeated:
        message = f"key {receipt.id!r} was made by the first request; its secret is not kept"
        raise SecretShown(message, id=receipt.id)
    made = {
        "id": receipt.id,
        "name": call.body.name,
        "role": call.body.role,
        "workspace_id": workspace,
        "created_at": receipt.events[0].at,
        "secret": secret,
    }
    return one(made, status=HTTPStatus.CREATED)


async def revoke(call: Call) -> Answer:
    """Close a key for ever, at once."""
    keyring, id_ = call.services.keyring, call.path("key_id")
    key = await _key(call, id_)
    _refuse_beyond(call, key["workspace_id"])
    caller = await _caller(call, key["workspace_id"])
    for _ in range(_MOST_HEIRS):
        heir = keyring.heir_of(id_)
        try:
            await call.services.record(RevokeKey(id_, heir), caller)
        except LockedOut:  # the heir was revoked meanwhile; another one may do
            continue
        return nothing()
    message = f"keys are revoked all the time; ask again to revoke {id_!r}"
    raise LockedOut(message, id=id_)


def _workspace(call: Call) -> str:
    """What the new key opens.

    Raises:
        Forbidden: more than the caller may use.
        LockedOut: the first key of a ledger, and it does not administer all of it.
    """
    first = call.services.keyring.is_empty
    workspace: str = call.body.workspace or (ANY_WORKSPACE if first else call.workspace)
    if first and (call.body.role is not Role.ADMIN or workspace != ANY_WORKSPACE):
        message = (
            "the first key must be an admin's of every workspace (role 'admin', workspace '*'): "
            "once there is a key, a request without one is refused"
        )
        raise LockedOut(message, role=Role.ADMIN, workspace=ANY_WORKSPACE)
    _refuse_beyond(call, workspace)
    return workspace


def _refuse_beyond(call: Call, workspace: str) -> None:
    """Raises Forbidden when a workspace, or every one, is more than the caller administers."""
    if workspace != call.workspace and not call.principal.everywhere:
        message = f"the caller's key opens {call.workspace!r} only"
        raise Forbidden(message, workspace=workspace)


async def _caller(call: Call, workspace: str) -> Caller:
    """The caller in the workspace that a key opens: there it is listed, and can be revoked."""
    caller = await call.caller()
    return caller if workspace == ANY_WORKSPACE else caller._replace(workspace=workspace)


async def _key(call: Call, id_: str) -> dict[str, Any]:
    return await call.services.query(
        lambda connection: keys.get_key(connection, call.workspace, id_)
    )


def _route(method: str, path: str, handle: Handle, summary: str, **more: Any) -> Route:
    more.setdefault("answer", s.ApiKey)
    more["needs"] = Permission.ADMINISTER
    return Route(method=method, path=path, handle=handle, summary=summary, tag="keys", **more)


ROUTES = (
    _route("GET", _KEYS, list_, "List keys in force", query=PageQuery, many="page"),
    _route(
        "POST",
        _KEYS,
        create,
        "Make a key",
        body=s.KeyBody,
        answer=s.CreatedApiKey,
        status=HTTPStatus.CREATED,
    ),
    _route(
        "DELETE",
        f"{_KEYS}/{{key_id}}",
        revoke,
        "Revoke a key",
        answer=None,
        status=HTTPStatus.NO_CONTENT,
    ),
)
