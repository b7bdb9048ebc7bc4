"""Laws of the index of places: what is read is what was inserted, wherever the index ends."""

import shutil
from pathlib import Path
from tempfile import mkdtemp

from eventsourcing.persistence import StoredEvent
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ledger.events import Annotated, Created, Thought
from ledger.sqlite import open_store
from ledger.store import NO_END

_IDS = ("a", "b", "c", "d")
_TOPICS = (Thought.TOPIC, Thought.TOPIC, Annotated.TOPIC)

_events = st.lists(st.tuples(st.sampled_from(_IDS), st.sampled_from(_TOPICS)), max_size=9)


class StoreAgainstAList(RuleBasedStateMachine):
    """A store that indexes every few events, closed and crashed at will, against a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(mkdtemp())
        self._files = 0
        self._file = self._folder / "0.db"
        self._log: list[tuple[str, int, str]] = []
        self._most = 4
        self._store = open_store(self._file, "normal", most_latest=self._most)

    @rule(events=_events)
    def insert(self, events: list[tuple[str, str]]) -> None:
        stored = []
        for id_, topic in events:
            version = 1 + sum(known == id_ for known, _, _ in self._log)
            topic_ = topic if version > 1 else Created.TOPIC
            self._log.append((id_, version, topic_))
            stored.append(StoredEvent(id_, version, topic_, f"{id_} {version}".encode()))
        before = len(self._log) - len(stored)

        positions = self._store.insert_events(stored)

        assert list(positions) == list(range(before + 1, before + 1 + len(stored)))

    @rule(most=st.integers(0, 8))
    def reopen(self, most: int) -> None:
        self._store.close()
        self._store = open_store(self._file, "normal", most_latest=most)

    @rule(most=st.integers(0, 8))
    def crash(self, most: int) -> None:
        self._files += 1
        copy = self._folder / f"{self._files}.db"
        for suffix in ("", "-wal"):
            shutil.copy(f"{self._file}{suffix}", f"{copy}{suffix}")
        self._store.close()
        self._file = copy
        self._store = open_store(copy, "normal", most_latest=most)

    @invariant()
    def every_aggregate_is_read_whole(self) -> None:
        for id_ in _IDS:
            read: list[tuple[str, int, str]] = []
            while page := self._store.read_execution(id_, len(read), 3):
                read += [(each.id, each.version, each.topic) for each in page]
            assert read == [each for each in self._log if each[0] == id_]

    @rule(id_=st.sampled_from(_IDS), after=st.integers(0, 12), until=st.integers(0, 12))
    def read_some(self, id_: str, after: int, until: int) -> None:
        read: list[int] = []
        while page := self._store.read_execution(id_, read[-1] if read else after, 2, until):
            read += [each.version for each in page]

        known = [version for known, version, _ in self._log if known == id_]
        assert read == [version for version in known if after < version <= until]

    @rule(id_=st.sampled_from(_IDS), topic=st.sampled_from(_TOPICS), data=st.data())
    def ask_as_of_a_position(self, id_: str, topic: str, data: st.DataObject) -> None:
        ends = st.integers(0, len(self._log) + 1) | st.just(NO_END)
        position = data.draw(ends)
        then = [each for each in self._log[:position] if each[0] == id_]

        assert self._store.last_version(id_, position) == len(then)
        assert self._store.count(id_, topic, position) == sum(each[2] == topic for each in then)

    @rule()
    def ask_for_first_and_last(self) -> None:
        known = {id_ for id_, _, _ in self._log}
        assert {each.id for each in self._store.read_first(_IDS)} == known
        for id_ in _IDS:
            remarks = [v for known, v, topic in self._log if (known, topic) == (id_, _TOPICS[-1])]
            last = self._store.read_last(id_, {Annotated.TOPIC})
            assert (last.version if last else None) == (remarks[-1] if remarks else None)

    def teardown(self) -> None:
        self._store.close()
        shutil.rmtree(self._folder)


TestStoreAgainstAList = StoreAgainstAList.TestCase
