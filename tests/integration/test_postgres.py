import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent
from psycopg.sql import SQL
from sqlalchemy import text

from ledger import postgres, postgres_writing
from ledger.commands import Annotate
from ledger.database import exists
from ledger.database import open_store as open_by_url
from ledger.errors import DatabaseInUse, StoreFailed
from ledger.events import Annotated
from ledger.mapper import Recorded
from ledger.postgres import PostgresStore, open_store
from ledger.store import OutcomeUnknown
from projections.errors import ViewsAway
from projections.store import ViewStore
from tests.integration.store_contract import FRAMES, StoreContract, event, run
from tests.postgres import fresh_schema
from tests.postgres_proxy import proxy_before
from tests.recording import SECONDS, recording, wait_until


@pytest.fixture
def url() -> Iterator[str]:
    with fresh_schema() as url:
        yield url


@pytest.fixture(name="store")
def store_fixture(url: str) -> Iterator[PostgresStore]:
    store = open_store(url, "normal")
    yield store
    store.close()


@pytest.fixture
def socket_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short enough for the path of a socket."""
    return tmp_path_factory.mktemp("s")


class TestPostgresStore(StoreContract):
    """PostgreSQL keeps the contract of an event store."""


def end_the_writing_session(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks JOIN pg_namespace n"
            " ON n.oid = objid WHERE locktype = 'advisory' AND nspname = current_schema()"
        )


def test_any_number_of_processes_write(store: PostgresStore, url: str) -> None:
    other = open_store(url)

    positions = [*store.insert_events(run("a", 2)), *other.insert_events(run("b", 1))]

    assert positions == [1, 2, 3]
    other.close()


def test_who_must_be_alone_is_kept_out_by_whoever_writes(store: PostgresStore, url: str) -> None:
    assert store.last_position() == 0

    with pytest.raises(DatabaseInUse, match="in use by execution-ledger on this machine"):
        open_store(url, alone=True)


def test_who_must_be_alone_keeps_everybody_out(url: str) -> None:
    alone = open_store(url, alone=True)

    with pytest.raises(DatabaseInUse, match="in use by execution-ledger on this machine"):
        open_store(url)

    alone.close()


def test_the_right_to_write_is_free_once_the_store_is_closed(
    store: PostgresStore, url: str
) -> None:
    store.insert_events(run("a", 1))
    store.close()

    again = open_store(url)

    assert list(again.insert_events(run("b", 1))) == [2]
    again.close()


def test_a_session_that_ended_is_opened_again_and_the_events_are_recorded(
    store: PostgresStore, url: str
) -> None:
    store.insert_events(run("a", 1))
    end_the_writing_session(url)

    assert list(store.insert_events(run("b", 2))) == [2, 3]


def test_who_lost_the_right_to_write_to_somebody_alone_does_not_write(
    store: PostgresStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_writing, "_WAIT_TO_COME_BACK", "50ms")
    end_the_writing_session(url)
    successor = open_store(url, alone=True)

    with pytest.raises(DatabaseInUse):
        store.insert_events(run("a", 1))

    assert successor.last_position() == 0
    successor.close()


def test_events_of_others_meanwhile_are_no_reason_to_fail(store: PostgresStore, url: str) -> None:
    store.insert_events(run("a", 1))
    end_the_writing_session(url)
    other = open_store(url)
    other.insert_events(run("b", 1))

    assert list(store.insert_events(run("c", 1))) == [3]

    other.close()


def test_a_commit_whose_acknowledgement_was_lost_is_a_success_and_recorded_once(
    url: str, socket_folder: Path
) -> None:
    with proxy_before(url, socket_folder) as (proxy, behind):
        store = open_store(behind)
        store.insert_events(run("a", 1))
        proxy.lose_the_answer_to(b"COMMIT")

        positions = store.insert_events(run("b", 3))

        assert list(positions) == [2, 3, 4]
        assert [each.id for each in store.read_log(0, 10)] == ["a", "b", "b", "b"]
        store.close()


def test_a_commit_whose_acknowledgement_was_lost_is_known_although_others_committed_after_it(
    url: str, socket_folder: Path
) -> None:
    with proxy_before(url, socket_folder) as (proxy, behind):
        store, other = open_store(behind), open_store(url)
        proxy.lose_the_answer_to(b"COMMIT")
        proxy.away = True
        with ThreadPoolExecutor(1) as threads:
            inserting = threads.submit(store.insert_events, run("a", 3))
            wait_until(lambda: other.last_position() == 3)
            other.insert_events(run("b", 2))
            proxy.away = False

            assert list(inserting.result(SECONDS)) == [1, 2, 3]

        assert [each.id for each in other.read_log(0, 10)] == ["a", "a", "a", "b", "b"]
        store.close()
        other.close()


def test_when_the_database_stays_away_after_a_commit_was_sent_the_outcome_is_said_to_be_unknown(
    url: str, socket_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_writing, "PATIENCE_SECONDS", 0.3)
    with proxy_before(url, socket_folder) as (proxy, behind):
        store = open_store(behind)
        proxy.lose_the_answer_to(b"COMMIT")
        proxy.away = True

        with pytest.raises(OutcomeUnknown, match="may have been recorded"):
            store.insert_events(run("a", 1))

        proxy.away = False
        assert list(store.insert_events(run("b", 1))) == [2]
        store.close()


def test_what_was_recorded_without_anybody_knowing_is_told_with_the_next_commit(
    url: str, socket_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_writing, "PATIENCE_SECONDS", 0.3)
    with proxy_before(url, socket_folder) as (proxy, behind), recording(behind) as open_:
        heard: list[Recorded] = []
        open_.ledger.subscribe(heard.extend)
        first = open_.pending()
        proxy.lose_the_answer_to(b"COMMIT")
        proxy.away = True
        with pytest.raises(OutcomeUnknown):
            open_.do(Annotate(first, {"known": False}))
        proxy.away = False

        open_.do(Annotate(first, {"known": True}))

        assert heard == open_.log()
        assert [event.version for event in heard if event.id == first] == [1, 2, 3]


def test_when_the_database_stays_away_before_a_commit_nothing_is_recorded(
    url: str, socket_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_writing, "PATIENCE_SECONDS", 0.3)
    with proxy_before(url, socket_folder) as (proxy, behind):
        store = open_store(behind)
        proxy.lose_the_answer_to(b"LOCK TABLE")
        proxy.away = True

        with pytest.raises(StoreFailed, match="nothing was recorded"):
            store.insert_events(run("a", 1))

        proxy.away = False
        assert list(store.insert_events(run("b", 1))) == [1]
        store.close()


def test_a_pooler_that_lends_sessions_by_the_transaction_is_refused(
    url: str, socket_folder: Path
) -> None:
    with (
        proxy_before(url, socket_folder, sessions=2) as (_, behind),
        pytest.raises(StoreFailed, match="pool_mode=session"),
    ):
        open_store(behind)


def test_what_is_larger_than_a_statement_is_recorded_whole(store: PostgresStore) -> None:
    events = run("a", 12, size=1_500_000)

    positions = store.insert_events(events)

    assert list(positions) == list(range(1, 13))
    versions: list[int] = []
    while page := store.read_execution("a", len(versions), 100):
        versions += [each.version for each in page]
    assert versions == list(range(1, 13))


def test_a_page_of_the_log_is_bounded_in_bytes(store: PostgresStore) -> None:
    store.insert_events(run("a", 12, size=4_000_000))

    assert len(store.read_log(0, 8_000)) == 6


def test_nothing_has_an_id_with_a_nul_in_it(store: PostgresStore) -> None:
    assert store.read_facts("a\0b") == []
    assert store.read_first(["\0"]) == []


def test_the_facts_of_a_long_run_are_found_without_reading_its_frames(
    store: PostgresStore, url: str
) -> None:
    store.insert_events([*run("a", FRAMES + 1), event("a", FRAMES + 2, Annotated.TOPIC)])

    facts = store.read_facts("a")

    assert [each.version for each in facts] == [1, FRAMES + 2]
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("ANALYZE stored_events")
        plan = admin.execute(
            SQL("EXPLAIN SELECT * FROM stored_events WHERE originator_id = 'a' AND {}").format(
                postgres._NOT_A_FRAME  # noqa: SLF001 - the same words as the store's
            )
        ).fetchall()
    assert any("stored_events_facts_v1" in line for (line,) in plan)


def test_processes_that_start_at_once_make_the_table_once(url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        stores = list(threads.map(open_store, [url] * 4))

    assert [list(store.insert_events(run(str(n), 1))) for n, store in enumerate(stores, 1)] == [
        [1],
        [2],
        [3],
        [4],
    ]
    for store in stores:
        store.close()


def test_who_stalls_while_others_wait_loses_its_turn(
    store: PostgresStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = SQL("SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '50ms'")
    monkeypatch.setattr(postgres_writing, "_PATIENCE_OF_OTHERS", impatient)
    stalling = open_store(url)
    store.insert_events(run("a", 1))
    author = Stalling(store)

    positions = stalling.insert_events(run("c", 1), author)

    assert list(positions) == [3]
    assert [each.id for each in store.read_log(0, 10)] == ["a", "b", "c"]
    stalling.close()


def test_without_the_lock_on_the_table_a_position_is_given_twice(
    store: PostgresStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the lock that all the tests of several writers prove."""
    without = SQL("BEGIN; SELECT coalesce(max(notification_id), 0) FROM stored_events")
    monkeypatch.setattr(postgres_writing, "_BEGIN", without)
    other = open_store(url)
    store.insert_events(run("a", 1))

    with pytest.raises(StoreFailed, match="notification_id"):
        other.insert_events(run("c", 1), Stalling(store))

    other.close()


class Stalling:
    """An author who is stopped in the middle of the first turn, until somebody else had it."""

    position = 0

    def __init__(self, other: PostgresStore) -> None:
        self.other = other

    def take_in(self, news: Sequence[Recorded]) -> None:
        if self.position == 0:
            self.other.insert_events(run("b", 1))
        self.position = news[-1].position

    def revise(self) -> Sequence[StoredEvent]:
        return run("c", 1)


@pytest.mark.parametrize(("durability", "commits"), [("full", "on"), ("normal", "off")])
def test_durability_is_what_it_says(url: str, durability: str, commits: str) -> None:
    reckless = url.replace("options=", "options=-csynchronous_commit%3Doff%20")

    store = open_by_url(reckless, durability)  # type: ignore[arg-type] # one of the two

    assert isinstance(store, PostgresStore)
    said = store._writing._connection.execute("SHOW synchronous_commit").fetchone()  # type: ignore[union-attr] # noqa: SLF001 - no other way
    assert said == (commits,)
    store.close()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://127.0.0.1:1/ledger", "could not be opened"),
        ("postgresql://127.0.0.1/ledger?no_such_word=1", "no_such_word"),
    ],
)
def test_a_url_where_nobody_answers_is_refused_in_one_line(url: str, why: str) -> None:
    with pytest.raises(StoreFailed, match=why) as refusal:
        open_by_url(url, "full")

    assert "\n" not in str(refusal.value)


def test_of_several_hosts_the_one_that_answers_is_taken(url: str, socket_folder: Path) -> None:
    host = parse_qs(urlsplit(url).query)["host"][0]
    several = url.replace(f"host={host}", f"host={socket_folder},{host}")

    store = open_store(several)

    assert list(store.insert_events(run("a", 1))) == [1]
    store.close()


def test_a_search_path_without_a_schema_is_refused(url: str) -> None:
    with pytest.raises(StoreFailed, match="no schema"):
        open_store(url.replace("test_", "untested_"))


def test_a_database_that_is_not_a_ledger_is_not_opened(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CREATE VIEW stored_events AS SELECT 1")

    with pytest.raises(StoreFailed, match="could not be opened"):
        open_store(url)


def test_whether_there_is_a_ledger_is_asked_without_making_one(url: str) -> None:
    assert not exists(url)

    open_store(url).close()

    assert exists(url)


def test_views_that_do_not_answer_are_away_for_a_while(url: str, socket_folder: Path) -> None:
    with proxy_before(url, socket_folder) as (proxy, behind):
        views = ViewStore.open(behind)
        proxy.away = True
        views.engine.dispose()

        with pytest.raises(ViewsAway), views.reading():
            pytest.fail("nobody answers")

        proxy.away = False
        with views.reading() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
        views.close()


def test_without_the_driver_the_message_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(StoreFailed, match=r"pip install 'execution-ledger\[postgres\]'"):
        open_by_url("postgresql://db/ledger", "full")
