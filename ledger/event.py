"""What every stored event has in common: its envelope, its topic, its facts."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple, Protocol
from uuid import UUID

from eventsourcing.domain import CanInitAggregate, CanMutateAggregate
from eventsourcing.utils import register_topic
from pydantic import BaseModel, ConfigDict

from ledger.clock import format_time
from ledger.ids import random_hex
from ledger.strict_json import encode

SCHEMA = 1
"""Number of the stored form. A higher one than this code knows is refused on reading."""


class Actor(BaseModel):
    """Who acted, as the credentials said; never taken from a request's body.

    Attributes:
        type: user, worker, agent, system.
        id: stable name of the principal, for example the id of an API key.
        auth: how it was authenticated: api_key, loopback, in_process.
        name: the name people gave it, if any.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str
    id: str
    auth: str
    name: str | None = None


class Stamp(NamedTuple):
    """Who acts, when, where and on which request: what the envelopes of a command share."""

    workspace: str
    actor: Actor
    at: datetime
    request: str | None = None


class Envelope(NamedTuple):
    """What the ledger says about an event, beside what the event says."""

    id: str
    stamp: Stamp
    trace_id: str | None = None

    def line(self) -> bytes:
        """The envelope as stored: one line of JSON."""
        before, after = _around_id(self.stamp, self.trace_id)
        return before + self.id.encode() + after


@lru_cache(maxsize=256)
def _opening(at: datetime) -> bytes:
    """What stands before the event's id; all commands of a batch have the time in common."""
    return f'{{"at":"{format_time(at)}","schema":{SCHEMA},"id":"'.encode()


@lru_cache(maxsize=1024)
def _whose(workspace: str, actor: Actor) -> bytes:
    """What stands after the event's id: most events are of few actors."""
    return b'","workspace":%b,"actor":%b' % (encode(workspace), encode(actor))


@lru_cache(maxsize=1024)
def _trace(trace_id: str) -> bytes:
    """What names the trace: the events of a run have it in common."""
    return b',"trace_id":%b' % encode(trace_id)


def _around_id(stamp: Stamp, trace_id: str | None) -> tuple[bytes, bytes]:
    """What stands before and after the event's id; the same for all events of a command."""
    whose = _whose(stamp.workspace, stamp.actor)
    trace = b"" if trace_id is None else _trace(trace_id)
    if stamp.request is None:
        return _opening(stamp.at), b"".join((whose, trace, b"}\n"))
    request = encode(stamp.request)
    return _opening(stamp.at), b"".join((whose, trace, b',"request":', request, b"}\n"))


class Event(BaseModel, CanMutateAggregate[str]):
    """A fact about one aggregate: immutable, in its place in the aggregate's sequence.

    Subclasses name their facts as fields. The facts are the stored payload; the four fields here
    are kept beside it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)
    TOPIC: ClassVar[str]
    TYPE: ClassVar[str]
    FACTS: ClassVar[tuple[str, ...]]

    originator_id: str
    originator_version: int
    timestamp: datetime
    envelope: Envelope

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the topic of each event that has one, so that the library can insist on it."""
        super().__pydantic_init_subclass__(**kwargs)
        common = (*Event.model_fields, "originator_topic")
        cls.FACTS = tuple(name for name in cls.model_fields if name not in common)
        if "TOPIC" in cls.__dict__:
            cls.TYPE = cls.TOPIC.split(".")[1]
            register_topic(cls.TOPIC, cls)

    def apply(self, aggregate: Any) -> None:
        """Called by the library's `mutate`: the aggregate itself knows what follows."""
        aggregate.evolve(self)

    def encoded(self) -> bytes:
        """The facts as one line of JSON; facts without a value are left out."""
        facts = ((name, getattr(self, name)) for name in self.FACTS)
        return encode({name: fact for name, fact in facts if fact is not None})


class FirstEvent(Event, CanInitAggregate[str]):
    """The event that brings an aggregate into being."""

    originator_topic: str


class Storable(Protocol):
    """What the store takes: an event's place, its topic, its bytes."""

    @property
    def topic(self) -> str:
        """The stored name of the event's type."""

    @property
    def originator_id(self) -> UUID | str:
        """The aggregate's id."""

    @property
    def originator_version(self) -> int:
        """The event's place in the aggregate."""

    @property
    def state(self) -> bytes:
        """Envelope and payload."""


COLUMNS_OF = attrgetter("originator_id", "originator_version", "topic", "state")
"""What is stored of an event, in the order of the table."""


class EncodedEvent(NamedTuple):
    """An event in its stored form, made without a model.

    Frames come by the thousand; for them one check of the batch and the bytes themselves are
    enough.
    """

    topic: str
    originator_id: str
    originator_version: int
    state: bytes


def encode_events(
    originator_id: str,
    version: int,
    stamp: Stamp,
    trace_id: str,
    payloads: Sequence[tuple[type[Event], bytes]],
) -> list[EncodedEvent]:
    """Put events whose payloads are encoded after `version`, under envelopes of one stamp."""
    before, after = _around_id(stamp, trace_id)
    ids = random_hex(16 * len(payloads)).encode()
    events = []
    for place, (event, payload) in enumerate(payloads):
        state = b"".join((before, ids[32 * place : 32 * place + 32], after, payload))
        events.append(EncodedEvent(event.TOPIC, originator_id, version + 1 + place, state))
    return events


def envelope_of(stamp: Stamp, trace_id: str | None = None) -> Envelope:
    """The envelope of a new event of this command.

    Its id is what a writer knows its own event by after a lost acknowledgement.
    """
    return Envelope(random_hex(16), stamp, trace_id)
