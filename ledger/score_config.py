"""Score configurations: what a score of some name may be. Kept and shown, with their history."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from eventsourcing.domain import BaseAggregate

from ledger.event import Event, FirstEvent, Stamp, envelope_of

DataType = Literal["numeric", "categorical", "boolean"]


class ConfigCreated(FirstEvent):
    """A score configuration was made."""

    TOPIC: ClassVar[str] = "score_config.created.v1"

    name: str
    data_type: DataType
    min_value: float | None = None
    max_value: float | None = None
    categories: list[Any]
    description: str
    is_active: bool


class ConfigChanged(Event):
    """Some of it changed: what is given."""

    TOPIC: ClassVar[str] = "score_config.changed.v1"

    name: str | None = None
    data_type: DataType | None = None
    min_value: float | None = None
    max_value: float | None = None
    categories: list[Any] | None = None
    description: str | None = None
    is_active: bool | None = None


class ConfigRemoved(Event):
    """It is offered no more; scores that name it stay."""

    TOPIC: ClassVar[str] = "score_config.removed.v1"


class ScoreConfig(BaseAggregate[str]):
    """What a score may be."""

    TOPIC = "score_config"

    def __init__(self) -> None:
        self.workspace = ""
        self.removed = False

    @classmethod
    def create(cls, id_: str, stamp: Stamp, facts: Mapping[str, Any]) -> Self:
        """Make a configuration."""
        return cls._create(
            ConfigCreated, id=id_, timestamp=stamp.at, envelope=envelope_of(stamp), **facts
        )

    def change(self, stamp: Stamp, facts: Mapping[str, Any]) -> None:
        """Change what is given."""
        self._record(stamp, ConfigChanged, **facts)

    def remove(self, stamp: Stamp) -> None:
        """Offer it no more."""
        self._record(stamp, ConfigRemoved)

    def _record(self, stamp: Stamp, event: type[Event], **facts: Any) -> None:
        self.trigger_event(event, timestamp=stamp.at, envelope=envelope_of(stamp), **facts)

    def evolve(self, event: Event) -> None:
        """Follow a recorded fact."""
        match event:
            case ConfigCreated():
                self.workspace = event.envelope.stamp.workspace
            case ConfigRemoved():
                self.removed = True
            case _:
                pass
