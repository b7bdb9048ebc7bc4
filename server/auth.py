"""Who is asking: API keys, roles, workspaces. Nobody else reads a credential."""

import hmac
import ipaddress
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple

from aiohttp import web
from yarl import URL

from ledger.access import ANY_WORKSPACE, KeyCreated, KeyRevoked, LockedOut
from ledger.event import Actor
from ledger.mapper import Recorded
from ledger.role import Role
from server.errors import Forbidden, InvalidRequest, RequestError, Unauthorized

DEFAULT_WORKSPACE: Final = "default"
IN_PROCESS: Final = "in_process"
"""How what acts in the server's own process is authenticated."""

_KEY_PREFIX = "elk_"
WORKSPACE_PATTERN: Final = "[A-Za-z0-9_.-]{1,64}"
_WORKSPACE = re.compile(rf"{WORKSPACE_PATTERN}\Z")


class Permission(IntEnum):
    """What a route asks for. Each role has those up to its own."""

    READ = 1
    RECORD = 2
    DECIDE = 3
    ADMINISTER = 4


PERMITTED: Final = {
    Role.READER: Permission.READ,
    Role.WORKER: Permission.RECORD,
    Role.OPERATOR: Permission.DECIDE,
    Role.ADMIN: Permission.ADMINISTER,
}
"""Reader: look. Worker: and record and execute. Operator: and decide. Admin: and manage."""

_ROLES: Final = {permission: role for role, permission in PERMITTED.items()}


class Key(NamedTuple):
    """An API key as the server knows it: by digest, never by its text."""

    id: str
    name: str
    role: Role
    workspace: str
    digest: str


class Principal(NamedTuple):
    """Who is asking, in which workspace, and what they may do there.

    `everywhere` tells whether they could have asked in any other workspace as well; `as_of` is the
    number of changes to the keyring that let them in, 0 for whom no keyring knows.
    """

    actor: Actor
    workspace: str
    permission: Permission
    everywhere: bool = False
    as_of: int = 0

    @property
    def role(self) -> Role:
        """The role whose permission they have."""
        return _ROLES[self.permission]

    def require(self, permission: Permission) -> None:
        """Raises Forbidden unless the role goes so far."""
        if self.permission < permission:
            roles = [_ROLES[each].value for each in Permission if each >= permission]
            message = (
                f"this needs the permission {permission.name.lower()}, which keys of the role "
                f"{' or '.join(roles)} have; this one's role is {self.role.value}"
            )
            raise Forbidden(message, permission=permission.name.lower())


ADMIT: web.AppKey[Callable[[web.Request], Principal]] = web.AppKey("admit")
"""Tells who is asking an application; refuses whom it does not serve, or not now."""

NOBODY: Final = Principal(
    Actor(type="user", id="anonymous", auth="none"), DEFAULT_WORKSPACE, Permission.READ
)
"""Who asks a public route."""

_ANYBODY_HERE: Final = Actor(type="user", id="loopback", auth="loopback")


def new_secret() -> str:
    """Make the text of a key: shown once, then known by its digest only."""
    return _KEY_PREFIX + secrets.token_urlsafe(32)


def digest_of_secret(secret: str) -> str:
    """What is kept of a key."""
    return sha256(secret.encode()).hexdigest()


class Keyring:
    """The keys in force. Without any, whoever reaches the (loopback) address is the administrator.

    It follows the log, so that a key that was made or revoked counts at once, whoever recorded it.
    """

    def __init__(self) -> None:
        self._by_digest: dict[str, Key] = {}
        self._revoked: set[str] = set()
        self.changes = 1
        """Grows with each change: as long as it stays, whoever was let in would be again."""

    def take_in(self, keys: Iterable[Key]) -> None:
        """Know keys that were in force at some time since it began to follow."""
        self._by_digest |= {key.digest: key for key in keys if key.id not in self._revoked}
        self.changes += 1

    def follow(self, recorded: Sequence[Recorded]) -> None:
        """Know what was recorded of keys."""
        for event in recorded:
            if event.topic == KeyCreated.TOPIC:
                said = event.facts
                role = Role(said["role"])
                key = Key(event.id, said["name"], role, said["workspace"], said["digest"])
                self.take_in([key])
            elif event.topic == KeyRevoked.TOPIC:
                self._revoked.add(event.id)
                self._by_digest = {
                    digest: key for digest, key in self._by_digest.items() if key.id != event.id
                }
                self.changes += 1

    @property
    def is_empty(self) -> bool:
        """Whether nobody made a key yet."""
        return not self._by_digest

    def heir_of(self, id_: str) -> str | None:
        """Another key that administers all that one does; None where that is nothing.

        Raises:
            LockedOut: there is none.
        """
        keys = [key for key in self._by_digest.values() if key.role is Role.ADMIN]
        opened = {key.workspace for key in keys if key.id == id_}
        heirs = (key.id for key in keys if key.workspace in {*opened, ANY_WORKSPACE})
        heir = next((heir for heir in heirs if heir != id_), None)
        if opened and heir is None:
            message = f"nobody else could administer what key {id_!r} does; make another one first"
            raise LockedOut(message, id=id_)
        return heir if opened else None

    def authenticate(self, request: web.Request) -> Principal:
        """Tell who is asking.

        Raises:
            Unauthorized: there are keys, and the request carries none of them.
            Forbidden: the key may not use the workspace named by X-Workspace-ID.
        """
        wanted = request.headers.get("X-Workspace-ID", "")
        if wanted and _WORKSPACE.match(wanted) is None:
            message = "X-Workspace-ID: a workspace is 1 to 64 letters, digits, '.', '_' or '-'"
            raise InvalidRequest(message)
        if self.is_empty:
            _require_loopback(request)
            workspace = wanted or DEFAULT_WORKSPACE
            return Principal(
                _ANYBODY_HERE, workspace, Permission.ADMINISTER, everywhere=True, as_of=self.changes
            )
        key = self._find(_secret_of(request))
        actor = _actor_of(key)
        everywhere = key.workspace == ANY_WORKSPACE
        workspace = _workspace_of(key, wanted)
        return Principal(actor, workspace, PERMITTED[key.role], everywhere, self.changes)

    def _find(self, secret: str) -> Key:
        digest = digest_of_secret(secret)
        key = self._by_digest.get(digest)
        if key is None or not hmac.compare_digest(key.digest, digest):
            message = (
                "the API key is unknown or revoked"
                if secret
                else "an API key is needed: X-API-Key or Authorization: Bearer"
            )
            raise Unauthorized(message)
        return key


class Pass:
    """Whether the key of a request still opens the workspace that it opened; cheap to ask often."""

    __slots__ = ("_holds", "_keyring", "_request", "_seen", "_workspace")

    def __init__(self, keyring: Keyring, request: web.Request, principal: Principal) -> None:
        self._keyring = keyring
        self._request = request
        self._workspace = principal.workspace
        self._seen = principal.as_of
        self._holds = True

    def holds(self) -> bool:
        """A key that was revoked opens nothing any more."""
        if self._seen != self._keyring.changes:
            self._seen = self._keyring.changes
            self._holds = self._opens()
        return self._holds

    def _opens(self) -> bool:
        try:
            now = self._keyring.authenticate(self._request)
        except RequestError:
            return False
        return now.workspace == self._workspace


def _require_loopback(request: web.Request) -> None:
    """Refuse what a web page made a browser on this machine send (a foreign Host or Origin)."""
    origin = request.headers.get("Origin")
    hosts = [request.host, URL(origin).authority] if origin else [request.host]
    for host in hosts:
        if not _names_loopback(host):
            message = (
                f"without API keys only this machine is served, not {host!r}; make a key first"
            )
            raise Forbidden(message)


@lru_cache(maxsize=256)
def _names_loopback(authority: str) -> bool:
    """The same for a host with a port."""
    only_port = authority.count(":") == 1
    name = (
        authority.rpartition(":")[0]
        if only_port
        else authority.split("]", maxsplit=1)[0].strip("[")
    )
    return is_loopback(name or authority)


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _secret_of(request: web.Request) -> str:
    given = request.headers.get("X-API-Key")
    if given:
        return given
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


@lru_cache(maxsize=1024)
def _actor_of(key: Key) -> Actor:
    kind = "worker" if key.role is Role.WORKER else "user"
    return Actor(type=kind, id=key.id, auth="api_key", name=key.name)


def _workspace_of(key: Key, wanted: str) -> str:
    if key.workspace == ANY_WORKSPACE:
        return wanted or DEFAULT_WORKSPACE
    if wanted and wanted != key.workspace:
        message = f"the key opens workspace {key.workspace!r}, not {wanted!r}"
        raise Forbidden(message, workspace=wanted)
    return key.workspace
