"""A ledger goes from one database to another, and nothing is changed on the way."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger import migration
from ledger.database import open_store
from ledger.event import EncodedEvent
from ledger.mapper import Recorded
from ledger.migration import Moved, OtherLedger, move
from ledger.store import Store
from tests.integration.store_contract import run
from tests.postgres import fresh_schema


@contextmanager
def opened(url: str) -> Iterator[Store]:
    store = open_store(url, "normal")
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def urls(tmp_path: Path) -> Iterator[dict[str, str]]:
    with fresh_schema() as url:
        files = {name: f"sqlite:///{tmp_path / name}.db" for name in ("first", "second")}
        yield {"postgres": url, **files}


def moved(source: str, target: str) -> Moved:
    with opened(source) as old, opened(target) as new:
        return move(old, new, lambda _position, _end: None)


def everything(url: str) -> list[Recorded]:
    with opened(url) as store:
        return store.read_log(0, 1_000_000)


@pytest.fixture
def full(urls: dict[str, str]) -> list[Recorded]:
    """What is recorded in the first file: twenty runs, one of them with large events."""
    with opened(urls["first"]) as store:
        for number in range(19):
            store.insert_events(run(f"run-{number}", number + 1))
        store.insert_events(run("large", 5, size=3_000_000))
    return everything(urls["first"])


def test_every_event_arrives_as_the_same_bytes_at_its_position_there_and_back(
    urls: dict[str, str], full: list[Recorded]
) -> None:
    there = moved(urls["first"], urls["postgres"])
    back = moved(urls["postgres"], urls["second"])

    assert everything(urls["postgres"]) == everything(urls["second"]) == full
    assert there == back == Moved(len(full), len(full), there.digest)


def test_what_was_broken_off_goes_on_where_it_was(
    urls: dict[str, str], full: list[Recorded], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration, "_EVENTS_PER_COMMIT", 50)

    def break_off(position: int, _end: int) -> None:
        if position >= 100:
            raise KeyboardInterrupt

    with (
        opened(urls["first"]) as old,
        opened(urls["postgres"]) as new,
        pytest.raises(KeyboardInterrupt),
    ):
        move(old, new, break_off)

    assert moved(urls["first"], urls["postgres"]).copied == len(full) - 100
    assert everything(urls["postgres"]) == full


def test_a_target_with_another_ledger_in_it_is_left_alone(
    urls: dict[str, str], full: list[Recorded]
) -> None:
    assert full
    with opened(urls["postgres"]) as store:
        store.insert_events(run("other", 3))

    with pytest.raises(OtherLedger):
        moved(urls["first"], urls["postgres"])

    assert len(everything(urls["postgres"])) == 3


def test_a_target_that_went_on_is_left_alone(urls: dict[str, str], full: list[Recorded]) -> None:
    moved(urls["first"], urls["postgres"])
    with opened(urls["postgres"]) as store:
        store.insert_events(run("later", 1))

    with pytest.raises(OtherLedger):
        moved(urls["first"], urls["postgres"])

    assert len(everything(urls["postgres"])) == len(full) + 1


def test_a_difference_in_the_middle_is_found(urls: dict[str, str]) -> None:
    with opened(urls["second"]) as store:
        store.insert_events(run("other", 10))
    with opened(urls["postgres"]) as store:
        store.insert_events(run("stranger", 9))
    with opened(urls["second"]) as second:
        (last,) = second.read_log(9, 1)
    with opened(urls["postgres"]) as store:
        store.insert_events([EncodedEvent(last.topic, last.id, last.version, last.state)])

    with pytest.raises(OtherLedger, match="differ at position 1"):
        moved(urls["second"], urls["postgres"])


def test_a_ledger_that_is_complete_is_only_compared(
    urls: dict[str, str], full: list[Recorded]
) -> None:
    first = moved(urls["first"], urls["postgres"])

    assert moved(urls["first"], urls["postgres"]) == Moved(0, len(full), first.digest)
