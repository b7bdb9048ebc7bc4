"""Every topic, made of the event classes, the lifecycle table and the code that makes frames."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from ledger.clock import format_time, utc_now
from ledger.event import Actor, Envelope, Event, FirstEvent, Stamp
from ledger.events import Created
from ledger.lifecycle import LIFECYCLE
from ledger.mapper import EVENTS, Recorded
from ledger.status import Status
from ledger.strict_json import encode
from scripts.describe.markdown import code, paragraph, table
from server.frames import frame_of

_WORDS: Final = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    dict: "object",
    list: "list",
    datetime: "time",
    Decimal: "decimal text",
    Any: "any JSON",
}
_EXAMPLES: Final = {str: "x", int: 1, float: 1.0, bool: True, dict: {}, list: [], Decimal: "1"}


def overview() -> str:
    """One row per topic."""
    rows = [
        (
            f"[`{topic}`](#{_anchor(topic)})",
            _from(event),
            _to(event),
            code(name) if (name := frame_name(event)) else "none",
        )
        for topic, event in sorted_events()
    ]
    return table(("topic", "recorded while", "then", "frame"), rows)


def sections() -> str:
    """One section per aggregate, with a paragraph and the facts of each of its topics."""
    parts: list[str] = []
    shown = None
    for topic, event in sorted_events():
        aggregate = topic.split(".", 1)[0]
        if aggregate != shown:
            parts.append(f"### `{aggregate}`")
            shown = aggregate
        parts += [f"#### `{topic}`", paragraph(event.__doc__), _facts(event)]
    return "\n\n".join(parts)


def shapes() -> str:
    """The objects inside of facts."""
    models: dict[str, type[BaseModel]] = {
        model.__name__: model
        for _, event in sorted_events()
        for name in event.FACTS
        for model in _models(event.model_fields[name].annotation)
    }
    models |= {
        inner.__name__: inner
        for model in list(models.values())
        for field in model.model_fields.values()
        for inner in _models(field.annotation)
    }
    models[Actor.__name__] = Actor
    parts = []
    for name, model in sorted(models.items()):
        said = paragraph((model.__doc__ or "").split("Attributes:", 1)[0].strip())
        rows = [
            (code(field), word_of(info.annotation)) for field, info in model.model_fields.items()
        ]
        parts += [f"### {name}", said, table(("field", "type"), rows)]
    return "\n\n".join(parts)


def sorted_events() -> Iterator[tuple[str, type[Event]]]:
    """Topics of the execution first, in the order of the lifecycle; then those of the others."""
    execution: list[type[Event]] = [Created, *LIFECYCLE]
    others = [event for event in EVENTS.values() if event not in execution]
    others.sort(key=lambda event: event.TOPIC.split(".", 1)[0])
    yield from ((event.TOPIC, event) for event in [*execution, *others])


def frame_name(event: type[Event]) -> str:
    """What the code that makes frames makes of such an event; empty when it makes none."""
    facts = {name: _example(event.model_fields[name].annotation) for name in event.FACTS}
    actor = Actor(type="user", id="x", auth="x")
    line = Envelope("0" * 32, Stamp("x", actor, utc_now())).line()
    frame = frame_of(Recorded(1, "x", 1, event.TOPIC, line + encode(facts)))
    return frame.split(b"\n", 1)[0].removeprefix(b"event: ").decode()


def word_of(annotation: Any) -> str:
    """A type in words."""
    choices = [each for each in _choices(annotation) if each is not NoneType]
    optional = ", or absent" if len(choices) < len(_choices(annotation)) else ""
    return " or ".join(dict.fromkeys(map(_word, choices))) + optional


def _facts(event: type[Event]) -> str:
    fields = ((name, event.model_fields[name].annotation) for name in event.FACTS)
    facts = [f"- {code(name)}: {word_of(annotation)}" for name, annotation in fields]
    return "\n".join(facts) or "No facts beside the envelope."


def _from(event: type[Event]) -> str:
    if issubclass(event, FirstEvent):
        return "first event"
    if event not in LIFECYCLE:
        return ""
    sources = LIFECYCLE[event].sources
    return "any" if sources == set(Status) else ", ".join(s for s in Status if s in sources)


def _to(event: type[Event]) -> str:
    row = LIFECYCLE.get(event)
    if row is None or row.target is None:
        return Status.PENDING.value if event.TOPIC.startswith("execution.created") else ""
    return row.target.value


def _choices(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, UnionType):
        return get_args(annotation)
    return (annotation,)


def _word(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{each}`" for each in get_args(annotation))
    if annotation is Status:
        return "a [status](../ARCHITECTURE.md#lifecycle)"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{each.value}`" for each in annotation)
    if get_origin(annotation) is list:
        return f"list of {_word(get_args(annotation)[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return _WORDS[get_origin(annotation) or annotation]


def _models(annotation: Any) -> Iterable[type[BaseModel]]:
    for choice in _choices(annotation):
        if get_origin(choice) is list:
            yield from _models(get_args(choice)[0])
        if isinstance(choice, type) and issubclass(choice, BaseModel):
            yield choice


def _example(annotation: Any) -> Any:
    """A value of a type, for an event that nobody recorded."""
    choice = _choices(annotation)[0]
    if get_origin(choice) is Literal:
        return get_args(choice)[0]
    if isinstance(choice, type) and issubclass(choice, Enum):
        return next(iter(choice)).value
    if isinstance(choice, type) and issubclass(choice, BaseModel):
        return {name: _example(field.annotation) for name, field in choice.model_fields.items()}
    if choice is datetime:
        return format_time(utc_now())
    return _EXAMPLES.get(get_origin(choice) or choice)


def _anchor(topic: str) -> str:
    return topic.replace(".", "")
