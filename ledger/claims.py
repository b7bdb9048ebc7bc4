"""Claims: something that only one may hold, made unique by the event store's own primary key.

A claim is a tiny aggregate whose id is computed from what is claimed: an agent's name in a
workspace, or an idempotency key. It is saved in the same transaction as what it stands for.
"""

from hashlib import sha256
from typing import Any, ClassVar, Self

from eventsourcing.domain import BaseAggregate

from ledger.event import Event, FirstEvent, Stamp, envelope_of
from ledger.strict_json import encode


class NameClaimed(FirstEvent):
    """An agent took a name that nobody had before."""

    TOPIC: ClassVar[str] = "name.claimed.v1"

    name: str
    agent_id: str


class NameReleased(Event):
    """The agent gave the name up, by renaming or archival."""

    TOPIC: ClassVar[str] = "name.released.v1"


class NameReclaimed(Event):
    """Another agent took the name after its release."""

    TOPIC: ClassVar[str] = "name.reclaimed.v1"

    agent_id: str


class AgentName(BaseAggregate[str]):
    """The name of at most one agent of a workspace."""

    TOPIC = "name"

    def __init__(self) -> None:
        self.workspace = ""
        self.agent_id: str | None = None

    @staticmethod
    def id_of(workspace: str, name: str) -> str:
        """The claim's id: the same for everybody who claims the same name."""
        return f"name:{_digest(workspace, name)}"

    @classmethod
    def claim(cls, stamp: Stamp, name: str, agent_id: str) -> Self:
        """Take a name that was never taken."""
        return cls._create(
            NameClaimed,
            id=cls.id_of(stamp.workspace, name),
            timestamp=stamp.at,
            envelope=envelope_of(stamp),
            name=name,
            agent_id=agent_id,
        )

    def reclaim(self, stamp: Stamp, agent_id: str) -> None:
        """Take a name that was given up."""
        self._record(stamp, NameReclaimed, agent_id=agent_id)

    def release(self, stamp: Stamp) -> None:
        """Give the name up."""
        self._record(stamp, NameReleased)

    def _record(self, stamp: Stamp, event: type[Event], **facts: Any) -> None:
        self.trigger_event(event, timestamp=stamp.at, envelope=envelope_of(stamp), **facts)

    def evolve(self, event: Event) -> None:
        """Follow a recorded fact."""
        match event:
            case NameClaimed() | NameReclaimed():
                self.workspace = event.envelope.stamp.workspace
                self.agent_id = event.agent_id
            case NameReleased():
                self.agent_id = None
            case _:
                pass


class KeyUsed(FirstEvent):
    """A request with an idempotency key was answered; the same request gets the same answer."""

    TOPIC: ClassVar[str] = "idempotency.used.v1"

    key: str
    digest: str
    aggregate_id: str
    version: int
    subject: str | None = None


class IdempotencyKey(BaseAggregate[str]):
    """What was answered to the first request that carried the key."""

    TOPIC = "idempotency"

    def __init__(self) -> None:
        self.workspace = ""
        self.used: KeyUsed | None = None

    @staticmethod
    def id_of(workspace: str, key: str) -> str:
        """The key's id: the same for everybody who uses the same key in a workspace."""
        return f"idempotency:{_digest(workspace, key)}"

    @classmethod
    def use(cls, stamp: Stamp, key: str, **facts: Any) -> Self:
        """Note what a request with this key was answered."""
        return cls._create(
            KeyUsed,
            id=cls.id_of(stamp.workspace, key),
            timestamp=stamp.at,
            envelope=envelope_of(stamp),
            key=key,
            **facts,
        )

    def evolve(self, event: Event) -> None:
        """Follow a recorded fact."""
        if isinstance(event, KeyUsed):
            self.workspace = event.envelope.stamp.workspace
            self.used = event


def _digest(*parts: str) -> str:
    return sha256(encode(parts)).hexdigest()[:40]  # as JSON no part can reach into the next
