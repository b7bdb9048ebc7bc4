"""What every event store must do; each has a class of tests that inherits these."""

import re

import pytest
from eventsourcing.persistence import StoredEvent

from ledger.errors import LedgerClosed, StoreFailed
from ledger.events import (
    FRAME_TOPICS,
    Annotated,
    ContentStreamed,
    Created,
    Thought,
    ToolStarted,
)
from ledger.store import Store

FRAMES = 100_000


def event(id_: str, version: int, topic: str = Thought.TOPIC, size: int = 10) -> StoredEvent:
    return StoredEvent(id_, version, topic, b"x" * size)


def run(id_: str, events: int, size: int = 10) -> list[StoredEvent]:
    """Events of one aggregate: the first, then frames."""
    first = event(id_, 1, Created.TOPIC)
    return [first, *(event(id_, version, size=size) for version in range(2, events + 1))]


class StoreContract:
    """Inherit it, and give a fixture `store`: an empty one, closed afterwards."""

    def test_positions_are_given_in_the_order_of_insertion(self, store: Store) -> None:
        first = store.insert_events(run("a", 3))
        second = store.insert_events(run("b", 2))

        assert [*first, *second] == [1, 2, 3, 4, 5]
        assert store.last_position() == 5

    def test_an_empty_store_has_no_last_position(self, store: Store) -> None:
        assert store.last_position() == 0
        assert store.last_version("a") == 0
        assert store.read_log(0, 10) == []

    def test_events_are_inserted_all_or_none(self, store: Store) -> None:
        store.insert_events(run("a", 2))

        with pytest.raises(StoreFailed, match=re.compile("unique", re.IGNORECASE)):
            store.insert_events([*run("b", 2), event("a", 2)])

        assert [recorded.id for recorded in store.read_log(0, 10)] == ["a", "a"]

    def test_a_position_lost_with_a_failed_commit_is_given_again_without_a_gap(
        self,
        store: Store,
    ) -> None:
        store.insert_events(run("a", 1))
        with pytest.raises(StoreFailed):
            store.insert_events([*run("b", 2), event("a", 1)])

        assert list(store.insert_events(run("b", 1))) == [2]

    def test_the_log_is_read_in_pages(self, store: Store) -> None:
        store.insert_events([*run("a", 3), *run("b", 2)])

        pages = [store.read_log(after, 2) for after in (0, 2, 4, 5)]

        places = [[(each.position, each.id, each.version) for each in page] for page in pages]
        assert places == [
            [(1, "a", 1), (2, "a", 2)],
            [(3, "a", 3), (4, "b", 1)],
            [(5, "b", 2)],
            [],
        ]

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
    def test_of_spared_topics_a_page_has_what_is_the_last_of_its_aggregate(
        self, store: Store, limit: int
    ) -> None:
        """The model is the plain page, without what others of the same aggregate come after."""
        spared = {Thought.TOPIC, ContentStreamed.TOPIC}
        store.insert_events([*run("a", 4), *run("b", 3), event("a", 5, ToolStarted.TOPIC)])
        store.insert_events([event("b", 4), event("a", 6), event("b", 5, Annotated.TOPIC)])
        after = 0

        while plain := store.read_log(after, limit):
            last = {each.id: each for each in plain}
            wanted = [e for e in plain if e.topic not in spared or e is last[e.id]]
            assert store.read_log(after, limit, spared) == wanted
            after = plain[-1].position

        assert after == 11
        assert store.read_log(after, limit, spared) == []

    def test_a_page_too_large_for_one_spares_nothing(self, store: Store) -> None:
        """Which event is the last depends on where a page ends."""
        first = run("a", 10, size=2_000_000)
        store.insert_events([*first, event("a", 11, Annotated.TOPIC, size=2_000_000)])
        store.insert_events([event("b", n, Annotated.TOPIC, size=2_000_000) for n in range(1, 12)])

        page = store.read_log(0, 100, {Thought.TOPIC})

        assert page == store.read_log(0, 100)
        assert len(page) < 22

    def test_an_execution_is_read_after_a_version_and_up_to_one(self, store: Store) -> None:
        store.insert_events([*run("a", 9), *run("b", 9)])

        versions = [each.version for each in store.read_execution("a", 2, 100, until=6)]

        assert versions == [3, 4, 5, 6]

    def test_a_page_of_an_execution_is_bounded_in_bytes(self, store: Store) -> None:
        store.insert_events(run("a", 1_000, size=1_000))
        seen: list[int] = []

        while page := store.read_execution("a", len(seen), 1_000_000):
            assert sum(len(each.state) for each in page) < 512 * 1024
            seen.extend(each.version for each in page)

        assert seen == list(range(1, 1_001))

    def test_events_larger_than_a_page_are_read_a_few_at_a_time(self, store: Store) -> None:
        store.insert_events(run("a", 20, size=500_000))

        page = store.read_execution("a", 0, 1_000_000)

        assert 1 <= len(page) < 10

    def test_a_large_transaction_keeps_its_order(self, store: Store) -> None:
        events = [*run("a", 700), *run("b", 300)]

        positions = store.insert_events(events)

        assert list(positions) == list(range(1, 1_001))
        places = [(each.id, each.version) for each in store.read_log(0, 2_000)]
        assert places == [(each.originator_id, each.originator_version) for each in events]

    def test_the_first_event_of_each_aggregate_is_read(self, store: Store) -> None:
        store.insert_events([*run("a", 3), *run("b", 3), *run("c", 3)])

        firsts = store.read_first(["c", "a", "nobody"])

        assert {(each.id, each.version) for each in firsts} == {("a", 1), ("c", 1)}
        assert store.read_first([]) == []

    def test_facts_are_read_without_the_frames_among_them(self, store: Store) -> None:
        frames = [event("a", version, topic) for version, topic in enumerate(FRAME_TOPICS, 2)]
        store.insert_events([event("a", 1, Created.TOPIC), *frames, event("a", 6, Annotated.TOPIC)])

        assert [each.version for each in store.read_facts("a")] == [1, 6]
        assert [each.version for each in store.read_facts("a", until=5)] == [1]
        assert store.last_version("a") == 6

    def test_the_last_fact_of_some_topics_is_found(self, store: Store) -> None:
        remarks = [event("a", version, Annotated.TOPIC) for version in (2, 3)]
        store.insert_events([event("a", 1, Created.TOPIC), *remarks, event("a", 4)])

        found = store.read_last("a", {Annotated.TOPIC, Created.TOPIC})

        assert found is not None
        assert found.version == 3
        assert store.read_last("b", {Annotated.TOPIC}) is None

    def test_events_of_a_topic_are_counted(self, store: Store) -> None:
        store.insert_events([*run("a", 3), *run("b", 2)])

        assert store.count("a", Thought.TOPIC) == 2
        assert store.count("a", Annotated.TOPIC) == store.count("c", Thought.TOPIC) == 0

    def test_a_closed_store_is_not_read(self, store: Store) -> None:
        store.close()

        with pytest.raises(LedgerClosed):
            store.read_log(0, 1)
