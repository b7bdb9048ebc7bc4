"""Law: what was ever stored still loads, and still says the same."""

from pathlib import Path

import pytest
from eventsourcing.persistence import StoredEvent

from ledger.mapper import EVENTS, UPCASTERS, LedgerMapper
from ledger.strict_json import decode, encode
from tests.golden import files
from tests.golden.outcome import outcome_of
from tests.golden.recordings import STORIES

MAPPER = LedgerMapper()
EVENT_FILES = sorted(files.EVENTS.glob("*/*.ndjson"))
HISTORY_FILES = sorted(files.HISTORIES.glob("*.ndjson"))


def place(file: Path) -> str:
    return file.relative_to(files.HERE).as_posix()


@pytest.mark.parametrize("topic", [*EVENTS, *UPCASTERS])
def test_every_topic_has_a_golden_file(topic: str) -> None:
    assert files.event_files(topic), "make golden"


@pytest.mark.parametrize("file", EVENT_FILES, ids=place)
def test_a_golden_event_still_loads_to_the_same_facts(file: Path) -> None:
    stored = StoredEvent("id", 1, file.parent.name, files.stored_state(file))

    event = MAPPER.to_domain_event(stored)

    if file.parent.name in UPCASTERS:  # then its outcome in a history says whether it is right
        assert event.TOPIC in EVENTS
    else:
        assert MAPPER.to_stored_event(event).state == stored.state


@pytest.mark.parametrize("name", STORIES)
def test_every_story_has_a_golden_history(name: str) -> None:
    assert files.history_file(name) in HISTORY_FILES, "make golden"


@pytest.mark.parametrize("file", HISTORY_FILES, ids=place)
def test_a_golden_history_still_comes_to_the_same(file: Path) -> None:
    expected = decode(files.outcome_file(file.stem).read_bytes())

    outcome = outcome_of(files.history_in(file))

    assert encode(outcome) == encode(expected)


def test_a_golden_file_that_exists_is_never_written_again(tmp_path: Path) -> None:
    file = tmp_path / "1.ndjson"
    files.write_if_missing(file, b"first\n")

    assert not files.write_if_missing(file, b"second\n")
    assert file.read_bytes() == b"first\n"
