"""Budgets of days at the ledger itself: days pass, and processes come and go."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from ledger import commands as c
from ledger.frames import UsageReport
from ledger.orders import Receipt
from ledger.unit import Policy
from ledger.usage import Price
from tests.recording import ACME, UMBRELLA, HandClock, Recording

POLICY = Policy({"m": Price(input=Decimal(1), output=Decimal(1), source="table")})
USAGE = UsageReport(model="m", prompt_tokens=400_000)  # 0.40 dollars
A_DAY = 24 * 60 * 60


class Ledger:
    """A ledger in a file that can be opened again, with a clock that is moved by hand."""

    def __init__(self, folder: Path) -> None:
        self.path, self.clock = folder / "ledger.db", HandClock()
        self.open_ = Recording(self.path, self.clock, POLICY)

    def restart(self) -> None:
        self.open_.ledger.close()
        self.open_ = Recording(self.path, self.clock, POLICY)

    def run(self, agent: str = "Writer", user: str = "", parent: str | None = None) -> str:
        """A run that goes on."""
        create = c.CreateExecution(
            mode="record", input={}, agent_name=agent, user_id=user, parent_execution_id=parent
        )
        id_ = self.open_.do(create).id
        self.open_.do(c.Start(id_, "worker-1"))
        return id_

    def spend(self, run: str, times: int = 1) -> Receipt:
        return self.open_.do(c.Append(run, [USAGE] * times))

    def left(self, run: str) -> str:
        """What a usage report leaves of the day's money."""
        budget = self.spend(run).budget
        assert budget is not None
        return f"{budget['state']} {budget['remaining']['max_cost']}"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path)
    yield ledger
    ledger.open_.ledger.close()


def test_a_new_day_has_a_new_budget(ledger: Ledger) -> None:
    ledger.open_.do(c.SetBudget("workspace", max_cost=Decimal(1)))
    run = ledger.run()
    before = [ledger.left(run), ledger.left(run)]

    ledger.clock.advance(A_DAY)

    assert [*before, ledger.left(run)] == ["ok 0.6", "ok 0.2", "ok 0.6"]


def test_the_sums_of_the_day_outlive_the_process(ledger: Ledger) -> None:
    ledger.open_.do(c.SetBudget("user", max_cost=Decimal(1)))
    ledger.spend(ledger.run(user="ada"))
    ledger.clock.advance(A_DAY)
    run = ledger.run(user="ada")
    before = ledger.left(run)

    ledger.restart()

    assert (before, ledger.left(run)) == ("ok 0.6", "ok 0.2")


def test_the_sums_of_a_tree_outlive_the_process(ledger: Ledger) -> None:
    version = {"version": "1", "input_schema": {}, "given": {}, "config": {}}
    agent = ledger.open_.do(c.RegisterAgent("Spender")).id
    limits = {"config": {"run_budget": {"max_cost": 1, "max_tool_calls": 9}}}
    ledger.open_.do(c.AddVersion(agent, version | limits))
    create = c.CreateExecution(mode="record", input={}, agent_id=agent)
    root = ledger.open_.do(create).id
    child = ledger.run(parent=root)
    ledger.spend(child)

    ledger.restart()

    assert ledger.left(child) == "ok 0.2"


def test_what_waits_for_the_same_commit_counts(ledger: Ledger) -> None:
    ledger.open_.do(c.SetBudget("workspace", max_cost=Decimal(1)))
    runs = [ledger.run() for _ in range(4)]
    with ledger.open_.writer_held():
        replies = [ledger.open_.hand_over(c.Append(run, [USAGE])) for run in runs]

    states = [(reply.result(30).budget or {})["state"] for reply in replies]

    assert states == ["ok", "ok", "exceeded", "exceeded"]


def test_a_budget_that_is_set_in_the_same_commit_counts_what_came_before(ledger: Ledger) -> None:
    run = ledger.run()
    with ledger.open_.writer_held():
        ledger.open_.hand_over(c.Append(run, [USAGE, USAGE]))
        ledger.open_.hand_over(c.SetBudget("workspace", max_cost=Decimal(1)))
        last = ledger.open_.hand_over(c.Append(run, [USAGE]))

    assert (last.result(30).budget or {})["state"] == "exceeded"


def test_nobody_spends_from_the_budget_of_another_workspace(ledger: Ledger) -> None:
    ledger.open_.do(c.SetBudget("workspace", max_cost=Decimal(1)))
    ledger.open_.do(c.SetBudget("workspace", max_cost=Decimal(1)), UMBRELLA)
    create = c.CreateExecution(mode="record", input={}, agent_name="Writer")
    theirs = ledger.open_.do(create, UMBRELLA).id
    ledger.open_.do(c.Start(theirs, "worker-1"), UMBRELLA)
    mine = ledger.run()
    with ledger.open_.writer_held():
        replies = [
            ledger.open_.hand_over(c.Append(run, [USAGE]), caller)
            for run, caller in ((theirs, UMBRELLA), (mine, ACME), (theirs, UMBRELLA))
        ]

    left = [(reply.result(30).budget or {})["remaining"]["max_cost"] for reply in replies]

    assert left == [Decimal("0.6"), Decimal("0.6"), Decimal("0.2")]
