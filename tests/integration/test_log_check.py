import sqlite3
from pathlib import Path

import pytest

from ledger import commands as c
from ledger.application import Ledger
from ledger.event import Actor
from ledger.orders import Caller
from server.log_check import check_log

ADA = Caller("default", Actor(type="user", id="ada", auth="api_key"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with one execution that was started."""
    path = tmp_path / "ledger.db"
    with Ledger(path) as ledger:
        created = c.CreateExecution(mode="record", agent_name="scribe", input={})
        id_ = ledger.record(created, ADA).id
        ledger.record(c.Start(id_, "w"), ADA)
        ledger.record(c.Complete(id_, {}), ADA)
    return path


def problems_of(path: Path) -> list[str]:
    seen: list[tuple[int, int]] = []
    with Ledger(path) as ledger:
        problems = check_log(ledger, lambda *reached: seen.append(reached))
        assert seen[-1] == (ledger.position, ledger.position)
    return problems


def tamper(path: Path, statement: str) -> None:
    """Change the log as only somebody with the file can."""
    connection = sqlite3.connect(path)
    with connection:
        assert connection.execute(statement).rowcount == 1
    connection.close()


def test_a_log_that_nobody_touched_is_whole(path: Path) -> None:
    assert problems_of(path) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM stored_events WHERE topic LIKE 'execution.started%'", "follows event 1"),
        (
            "UPDATE stored_events SET topic = 'execution.begun.v9'"
            " WHERE topic LIKE 'execution.started%'",
            "unknown topic 'execution.begun.v9'",
        ),
        (
            "UPDATE stored_events SET state = substr(state, 1, length(state) - 1)"
            " WHERE topic LIKE 'execution.started%'",
            "cannot be read",
        ),
        (
            "UPDATE event_stretches SET more = substr(more, 9) WHERE length(more) = 16",
            "events 1 to 3 of",
        ),
        (
            "UPDATE event_stretches SET position = 3 - position"
            " WHERE originator_version = 1 AND position = 2",
            "are not found by its id",
        ),
    ],
    ids=[
        "an event is gone",
        "a topic was changed",
        "a payload was cut off",
        "an event is not found",
        "another event is found",
    ],
)
def test_what_was_done_to_a_log_is_found(path: Path, statement: str, said: str) -> None:
    tamper(path, statement)

    [problem] = problems_of(path)

    assert said in problem
