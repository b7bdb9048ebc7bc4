"""Two ledgers on one database: what each decides is as if there were one."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import cycle

import psycopg
import pytest
from psycopg.sql import SQL

from ledger import commands as c
from ledger import postgres_writing
from ledger.errors import (
    AgentArchived,
    AlreadyDecided,
    IllegalTransition,
    LedgerError,
    VersionMismatch,
)
from ledger.events import Thought
from ledger.frames import UsageReport
from ledger.mapper import Recorded
from ledger.unit import Policy
from ledger.usage import Price
from tests.given import frame
from tests.postgres import fresh_schema
from tests.recording import ACME, SECONDS, HandClock, Recording, created, wait_until

POLICY = Policy({"m": Price(input=Decimal(1), output=Decimal(1), source="table")})
USAGE = UsageReport(model="m", prompt_tokens=400_000)  # 0.40 dollars
WITH_KEY = ACME._replace(key="once", digest="d")


class Two:
    """Two ledgers on one database, and what the listeners of each were told."""

    def __init__(self, url: str) -> None:
        self.clock = HandClock()
        self.ledgers = [Recording(url, self.clock, POLICY) for _ in range(2)]
        self.heard: tuple[list[Recorded], list[Recorded]] = ([], [])
        for open_, heard in zip(self.ledgers, self.heard, strict=True):
            open_.ledger.subscribe(heard.extend)

    def close(self) -> None:
        for open_ in self.ledgers:
            open_.ledger.close()


@pytest.fixture
def two() -> Iterator[Two]:
    with fresh_schema() as url:
        two = Two(url)
        yield two
        two.close()


def at_once(two: Two, command: c.Command) -> list[BaseException | None]:
    """What becomes of a command that is given sixteen times, through both by turns."""
    barrier = threading.Barrier(16)

    def one(open_: Recording) -> BaseException | None:
        barrier.wait(SECONDS)
        return open_.hand_over(command).exception(SECONDS)

    with ThreadPoolExecutor(16) as threads:
        return list(threads.map(one, two.ledgers * 8))


def test_what_one_records_the_other_decides_on(two: Two) -> None:
    a, b = two.ledgers
    run = a.pending()

    versions = [
        b.do(c.Start(run, "worker-1")).version,
        a.do(c.Annotate(run, {})).version,
        b.do(c.Complete(run, {})).version,
    ]

    assert versions == [2, 3, 4]


def test_an_idempotency_key_is_used_through_both_and_records_once(two: Two) -> None:
    a, b = two.ledgers
    first = a.do(created(), WITH_KEY)

    again = b.do(created(), WITH_KEY)

    assert (again.repeated, again.id, again.version) == (True, first.id, first.version)
    assert len(a.log()) == 4


def test_what_was_not_there_is_found_once_the_other_has_recorded_it(two: Two) -> None:
    a, b = two.ledgers
    for open_ in (a, b):
        with pytest.raises(LedgerError):
            open_.do(c.CreateExecution(mode="record", input={}, agent_id="nobody"))
    agent = a.do(c.RegisterAgent("Somebody"))

    with pytest.raises(LedgerError, match="Somebody"):
        b.do(c.RegisterAgent("Somebody"))

    assert b.do(created(agent_id=agent.id)).version == 1


def test_an_agent_that_was_archived_through_one_is_not_run_through_the_other(two: Two) -> None:
    a, b = two.ledgers
    agent = a.do(c.RegisterAgent("Short-lived")).id
    b.do(created(agent_id=agent))
    a.do(c.ArchiveAgent(agent))

    with pytest.raises(AgentArchived):
        b.do(created(agent_id=agent))


def test_of_two_who_expect_the_same_version_through_either_one_wins(two: Two) -> None:
    a, b = two.ledgers
    run = a.pending()
    a.do(c.Annotate(run, {}), expected_version=1)

    with pytest.raises(VersionMismatch):
        b.do(c.Annotate(run, {}), expected_version=1)

    assert b.do(c.Annotate(run, {}), expected_version=2).version == 3


def test_of_sixteen_who_decide_through_either_one_wins(two: Two) -> None:
    for _ in range(10):
        run = two.ledgers[0].running()
        two.ledgers[0].do(c.RequestApproval(run, "check", {}))
        command = c.Decide(run, approve=True)

        answers = at_once(two, command)

        assert answers.count(None) == 1
        assert {type(each) for each in answers if each is not None} == {AlreadyDecided}


def test_the_budget_of_a_day_is_spent_through_both(two: Two) -> None:
    a, b = two.ledgers
    a.do(c.SetBudget("workspace", max_cost=Decimal("1.5")))
    runs = [a.running(), b.running(), a.running()]

    states = [
        (open_.do(c.Append(run, [USAGE])).budget or {})["state"]
        for open_, run in [(a, runs[0]), (b, runs[1]), (a, runs[0]), (b, runs[1])]
    ]

    assert states == ["ok", "ok", "ok", "exceeded"]
    last = a.do(c.Append(runs[2], [USAGE]))
    assert (last.budget or {})["state"] == "exceeded"


def test_the_budget_of_a_tree_is_spent_through_both(two: Two) -> None:
    a, b = two.ledgers
    agent = a.do(c.RegisterAgent("Spender")).id
    version = {"version": "1", "input_schema": {}, "given": {}}
    a.do(c.AddVersion(agent, version | {"config": {"run_budget": {"max_cost": "1.5"}}}))
    root = a.running(agent_id=agent)
    children = [open_.running(parent_execution_id=root) for open_ in (a, b)]

    states = [
        (open_.do(c.Append(run, [USAGE])).budget or {})["state"]
        for open_, run in zip(cycle((a, b)), [root, *children, root][:4], strict=False)
    ]

    assert states == ["ok", "ok", "ok", "exceeded"]
    assert [event.type for event in b.ledger.read_execution(root)][-1] == "failed"


def test_listeners_of_both_are_told_the_whole_log_in_order(two: Two) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda open_: open_.running(), two.ledgers * 50))
    log = two.ledgers[0].log()

    wait_until(lambda: all(len(heard) >= len(log) for heard in two.heard))

    assert [event.position for event in log] == list(range(1, len(log) + 1))
    assert [*two.heard[0]] == [*two.heard[1]] == log


def test_listeners_are_told_what_others_record_although_they_record_nothing(two: Two) -> None:
    a, b = two.ledgers

    receipt = a.do(created())

    wait_until(lambda: two.heard[1] == list(receipt.events))
    assert b.ledger.position == receipt.position


def test_who_lost_the_session_that_writes_decides_on_what_others_wrote_meanwhile(two: Two) -> None:
    a, b = two.ledgers
    run = a.running()
    with psycopg.connect(str(a.database), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks JOIN pg_namespace n"
            " ON n.oid = objid WHERE locktype = 'advisory' AND nspname = current_schema()"
        )
    b.do(c.Complete(run, {}))

    with pytest.raises(IllegalTransition):
        a.do(c.Append(run, [frame(Thought, content="hm")]))

    assert a.do(c.Annotate(run, {})).version == 4


def test_what_no_notification_tells_is_found_all_the_same(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_writing.WritingSession, "_commit", lambda _: SQL("COMMIT"))

    receipt = two.ledgers[0].do(created())

    wait_until(lambda: two.heard[1] == list(receipt.events))


def test_who_lost_the_session_that_listens_listens_again(two: Two) -> None:
    a, b = two.ledgers
    with psycopg.connect(str(b.database), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN%execution_ledger_%' OR query LIKE '%pg_locks, pg_namespace%'"
            " AND pid <> pg_backend_pid()"
        )

    receipt = a.do(created())

    wait_until(lambda: two.heard[1] == list(receipt.events))
    assert b.ledger.position == receipt.position


def test_who_is_alone_notifies_nobody_until_somebody_comes(two: Two) -> None:
    a, b = (open_.ledger._store._writing for open_ in two.ledgers)  # type: ignore[attr-defined] # noqa: SLF001 - nobody else can tell
    wait_until(lambda: a.has_company and b.has_company)

    two.ledgers[1].ledger.close()

    wait_until(lambda: not a.has_company)


def test_recorded_time_never_goes_back_whoever_records(two: Two) -> None:
    a, b = two.ledgers
    a.do(created())
    two.clock.advance(-60)

    b.do(created())

    times = [event.at for event in b.log()]
    assert times == sorted(times)


def test_frames_of_one_run_through_both_have_the_next_versions(two: Two) -> None:
    run = two.ledgers[0].running()

    versions = [
        open_.do(c.Append(run, [frame(Thought, content="hm")] * 2)).version
        for open_ in two.ledgers * 3
    ]

    assert versions == [4, 6, 8, 10, 12, 14]
