"""Law: no tree spends past its limit but by the event that crosses it, whatever comes together."""

from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from ledger import commands as c
from ledger.errors import LedgerError
from ledger.events import Failed, ToolStarted, UsageRecorded
from ledger.frames import Step, UsageReport
from ledger.run_budget import RunBudget, Tally, spent_of
from ledger.unit import Policy
from ledger.usage import Price
from tests.given import frame
from tests.recording import ACME, SECONDS, HandClock, Recording

POLICY = Policy({"m": Price(input=Decimal(1), output=Decimal(1), source="table")})
LIMITS = {"max_cost": "0.00001", "max_total_tokens": 30, "max_tool_calls": 3}
BUDGET = RunBudget(max_cost=Decimal("0.00001"), max_total_tokens=30, max_tool_calls=3)

steps: st.SearchStrategy[Step] = st.one_of(
    st.integers(0, 9).map(lambda tokens: UsageReport(model="m", prompt_tokens=tokens)),
    st.integers(0, 2).map(lambda tokens: UsageReport(model="unheard-of", prompt_tokens=tokens)),
    st.just(frame(ToolStarted, id="1", name="search")),
)
waves = st.lists(
    st.lists(st.tuples(st.integers(0, 3), st.lists(steps, min_size=1, max_size=3)), max_size=4),
    max_size=5,
)


def tree_of(open_: Recording) -> list[str]:
    """A run with the budget, two children of it, and a grandchild; all of them go on."""
    agent = open_.do(c.RegisterAgent("Spender")).id
    version = {"version": "1", "config": {"run_budget": LIMITS}, "input_schema": {}, "given": {}}
    open_.do(c.AddVersion(agent, version))
    ids = [open_.do(c.CreateExecution(mode="record", input={}, agent_id=agent)).id]
    for parent in (0, 0, 1):
        child = c.CreateExecution(
            mode="record", input={}, agent_name="Worker", parent_execution_id=ids[parent]
        )
        ids.append(open_.do(child).id)
    for id_ in ids:
        open_.do(c.Start(id_, "worker-1"))
    return ids


def spent_before_the_last(open_: Recording, ids: list[str]) -> tuple[Tally, Tally, bool]:
    """What the tree spent in all, and without its last event; and whether that failed it."""
    before = now = Tally()
    failed = False
    for event in open_.log():
        if event.id in ids and event.topic in {UsageRecorded.TOPIC, ToolStarted.TOPIC}:
            facts = event.facts
            tokens, cost = facts.get("total_tokens", 0), facts.get("cost_usd")
            calls = int(event.topic == ToolStarted.TOPIC)
            unpriced = tokens if cost is None else 0
            before, now = now, now.plus(Tally(Decimal(cost or 0), tokens, unpriced, calls))
        failed = failed or (event.topic == Failed.TOPIC and event.id == ids[0])
    return now, before, failed


def is_beyond(tally: Tally) -> bool:
    spent = spent_of(BUDGET, tally, POLICY.unpriced_usd)
    return any(spent[name] > getattr(BUDGET, name) for name in spent)


@given(waves, st.booleans())
def test_a_budget_is_passed_by_one_event_at_most(
    together: list[list[tuple[int, list[Step]]]], restarts: bool
) -> None:
    with TemporaryDirectory() as folder:
        clock = HandClock()
        open_ = Recording(Path(folder, "ledger.db"), clock, POLICY)
        ids = tree_of(open_)
        for wave in together:
            with open_.writer_held():
                replies = [
                    open_.hand_over(c.Append(ids[place], part), ACME) for place, part in wave
                ]
            refusals = [reply.exception(SECONDS) for reply in replies]
            assert all(each is None or isinstance(each, LedgerError) for each in refusals)
            if restarts:
                open_.ledger.close()
                open_ = Recording(Path(folder, "ledger.db"), clock, POLICY)
        now, before, failed = spent_before_the_last(open_, ids)
        open_.ledger.close()

    if failed:  # what others of the tree had begun may still have spent, each by one event
        assert is_beyond(now)
    else:
        assert not is_beyond(now)
        assert not is_beyond(before)
