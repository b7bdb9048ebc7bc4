"""Where golden files are, and how stored events are written in them: a line is a line.

An event is two lines, the envelope and the facts, as they are stored. A history is a line for each
event: its place, and what is stored as text. Added once, read for ever, never edited.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ledger.mapper import Recorded
from ledger.strict_json import decode, encode

HERE: Final = Path(__file__).parent
EVENTS: Final = HERE / "events"
HISTORIES: Final = HERE / "histories"


def event_files(topic: str) -> list[Path]:
    """The golden files of a topic, oldest first."""
    return sorted((EVENTS / topic).glob("*.ndjson"))


def first_event_file(topic: str) -> Path:
    """Where a topic's first golden file belongs."""
    return EVENTS / topic / "1.ndjson"


def history_file(name: str) -> Path:
    """Where a history belongs."""
    return HISTORIES / f"{name}.ndjson"


def outcome_file(name: str) -> Path:
    """Where what a history came to belongs."""
    return HISTORIES / f"{name}.outcome.json"


def event_text(event: Recorded) -> bytes:
    """An event as it stands in its golden file."""
    return event.state + b"\n"


def stored_state(file: Path) -> bytes:
    """The stored bytes that a golden file of an event holds."""
    return file.read_bytes().removesuffix(b"\n")


def history_text(events: Iterable[Recorded]) -> bytes:
    """A history as it stands in its golden file."""
    return b"".join(encode([*event[:4], event.state.decode()]) + b"\n" for event in events)


def history_in(file: Path) -> list[Recorded]:
    """The events that a golden history holds."""
    rows = map(decode, file.read_bytes().splitlines())
    return [Recorded._make((*place, state.encode())) for *place, state in rows]


def write_if_missing(file: Path, text: bytes) -> bool:
    """Write a golden file; one that exists stays as it is. Whether it was written."""
    if file.exists():
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text)
    return True
