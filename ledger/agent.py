"""The agent: a name, immutable versions of what it is, and the one version in force."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Self

from eventsourcing.domain import BaseAggregate

from ledger.errors import AgentArchived, NotFound
from ledger.event import Event, FirstEvent, Stamp, envelope_of

AgentType = Literal["simple", "chain", "multi_agent", "workflow", "composite", "agent"]
Json = dict[str, Any]


class Registered(FirstEvent):
    """The agent became known, by request or because somebody recorded a run of it."""

    TOPIC: ClassVar[str] = "agent.registered.v1"

    name: str
    type: AgentType
    description: str
    labels: list[str]


class Changed(Event):
    """What people call and say of the agent changed."""

    TOPIC: ClassVar[str] = "agent.changed.v1"

    name: str | None = None
    type: AgentType | None = None
    description: str | None = None
    labels: list[str] | None = None


class VersionAdded(Event):
    """A version was added; it never changes."""

    TOPIC: ClassVar[str] = "agent.version_added.v1"

    version_id: str
    version: str
    config: Json
    input_schema: Json
    output_schema: Json | None = None
    message: str = ""
    given: Json
    """Whatever else came with the version, kept as given."""


class Promoted(Event):
    """A version was put in force."""

    TOPIC: ClassVar[str] = "agent.promoted.v1"

    version_id: str


class GuardrailAdded(Event):
    """A guardrail was noted; the ledger keeps it as given and enforces none."""

    TOPIC: ClassVar[str] = "agent.guardrail_added.v1"

    guardrail_id: str
    type: str
    scanner_type: str
    action: str
    config: Json
    is_active: bool
    sort_order: int


class Archived(Event):
    """The agent takes no more executions; its history stays."""

    TOPIC: ClassVar[str] = "agent.archived.v1"


class Version(NamedTuple):
    """What a command needs to know of a version."""

    id: str
    version: str
    config: Json
    input_schema: Json
    approval_policy: Any
    run_budget: Any


class Agent(BaseAggregate[str]):
    """A named program that executions are runs of."""

    TOPIC = "agent"

    def __init__(self) -> None:
        self.workspace = ""
        self.name = ""
        self.versions: Mapping[str, Version] = {}
        self.current: str | None = None
        self.archived = False

    @classmethod
    def register(
        cls,
        id_: str,
        stamp: Stamp,
        name: str,
        type_: AgentType,
        description: str,
        labels: list[str],
    ) -> Self:
        """Make an agent known."""
        return cls._create(
            Registered,
            id=id_,
            timestamp=stamp.at,
            envelope=envelope_of(stamp),
            name=name,
            type=type_,
            description=description,
            labels=labels,
        )

    def change(self, stamp: Stamp, facts: Mapping[str, Any]) -> None:
        """Change name, type, description or labels: those that are given."""
        self._record(stamp, Changed, **facts)

    def add_version(self, stamp: Stamp, facts: Mapping[str, Any], *, promote: bool) -> None:
        """Add a version. The first is in force at once, so that exactly one always is."""
        first = self.current is None
        self._record(stamp, VersionAdded, **facts)
        if promote or first:
            self._record(stamp, Promoted, version_id=facts["version_id"])

    def promote(self, stamp: Stamp, version_id: str) -> None:
        """Put a version in force; nothing is recorded when it is already."""
        self.version_of(version_id)
        if version_id != self.current:
            self._record(stamp, Promoted, version_id=version_id)

    def add_guardrail(self, stamp: Stamp, facts: Mapping[str, Any]) -> None:
        """Note a guardrail."""
        self._record(stamp, GuardrailAdded, **facts)

    def archive(self, stamp: Stamp) -> None:
        """Take no more executions."""
        self._record(stamp, Archived)

    def version_of(self, version_id: str | None) -> Version | None:
        """The version asked for, or the one in force; None for an agent without versions.

        Raises:
            NotFound: the agent has no such version.
        """
        wanted = version_id or self.current
        if wanted is None:
            return None
        if wanted not in self.versions:
            raise NotFound("version", wanted)
        return self.versions[wanted]

    def labelled(self, label: str) -> Version | None:
        """The first version with a label."""
        return next((each for each in self.versions.values() if each.version == label), None)

    def refuse_if_archived(self) -> None:
        """Raises AgentArchived when the agent takes no more executions."""
        if self.archived:
            raise AgentArchived(self.id)

    def _record(self, stamp: Stamp, event: type[Event], **facts: Any) -> None:
        self.refuse_if_archived()
        self.trigger_event(event, timestamp=stamp.at, envelope=envelope_of(stamp), **facts)

    def evolve(self, event: Event) -> None:
        """Follow a recorded fact."""
        match event:
            case Registered():
                self.workspace = event.envelope.stamp.workspace
                self.name = event.name
            case Changed():
                self.name = event.name or self.name
            case VersionAdded():
                version = Version(
                    event.version_id,
                    event.version,
                    event.config,
                    event.input_schema,
                    event.given.get("approval_policy"),
                    event.given.get("run_budget", event.config.get("run_budget")),
                )
                self.versions = {**self.versions, version.id: version}
            case Promoted():
                self.current = event.version_id
            case Archived():
                self.archived = True
            case _:
                pass
