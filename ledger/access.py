"""API keys: who may speak to the ledger, for which workspace and in which role."""

from typing import ClassVar, Self

from eventsourcing.domain import BaseAggregate

from ledger.errors import Refused
from ledger.event import Event, FirstEvent, Stamp, envelope_of
from ledger.role import Role

ANY_WORKSPACE = "*"


class LockedOut(Refused):
    """Afterwards somebody would be locked out of what they could administer before."""

    code = "locked_out"


class KeyCreated(FirstEvent):
    """A key was made. Only its SHA-256 is kept: a key has 256 random bits, no dictionary helps."""

    TOPIC: ClassVar[str] = "key.created.v1"

    name: str
    role: Role
    workspace: str
    digest: str


class KeyRevoked(Event):
    """The key opens nothing any more."""

    TOPIC: ClassVar[str] = "key.revoked.v1"


class ApiKey(BaseAggregate[str]):
    """A key: created once, revoked at most once."""

    TOPIC = "key"

    def __init__(self) -> None:
        self.workspace = ""
        self.revoked = False

    @classmethod
    def create(
        cls, id_: str, stamp: Stamp, *, name: str, role: Role, workspace: str, digest: str
    ) -> Self:
        """Make a key known by its digest."""
        return cls._create(
            KeyCreated,
            id=id_,
            timestamp=stamp.at,
            envelope=envelope_of(stamp),
            name=name,
            role=role,
            workspace=workspace,
            digest=digest,
        )

    def revoke(self, stamp: Stamp) -> None:
        """Close the key for ever."""
        if self.revoked:
            message = f"key {self.id!r} is revoked already"
            raise Refused(message, id=self.id)
        self.trigger_event(KeyRevoked, timestamp=stamp.at, envelope=envelope_of(stamp))

    def evolve(self, event: Event) -> None:
        """Follow a recorded fact."""
        match event:
            case KeyCreated():
                self.workspace = event.envelope.stamp.workspace
            case KeyRevoked():
                self.revoked = True
            case _:
                pass
