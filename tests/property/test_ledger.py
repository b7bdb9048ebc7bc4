"""Laws of the write side, tried on a real ledger with commands drawn from all there are.

Replay: what is stored, folded, is what the writer decides on. A refusal leaves no trace. Terminal
is for ever. Versions and positions have no gaps. The same key records once. Of those who expect
the same version one wins. Nothing of another workspace exists.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from eventsourcing.domain import BaseAggregate
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule
from pydantic import BaseModel

from ledger import commands as c
from ledger.aggregates import Aggregates
from ledger.errors import KeyReused, LedgerError, VersionMismatch
from ledger.event import Event
from ledger.mapper import LedgerMapper, Recorded
from ledger.orders import Caller, Receipt
from ledger.status import Status
from ledger.strict_json import encode
from ledger.unit import Policy
from ledger.usage import Price
from tests.property import ledger_strategies as draws
from tests.recording import ACME, SECONDS, UMBRELLA, HandClock, Recording

MAPPER = LedgerMapper()
POLICY = Policy({"priced": Price(input=Decimal("0.25"), output=Decimal(2), source="table")})
REMARKS = {
    "execution.annotated.v1",
    "execution.scored.v1",
    "execution.score_removed.v1",
    "execution.usage_repriced.v1",
}
DATED = (c.SetPrice, c.SetBudget)
ON_EXISTING = {
    **draws.ON_EXECUTION,
    **draws.ON_AGENT,
    **draws.ON_CONFIG,
    **draws.ON_KEY,
    **draws.ON_PRICE,
    **draws.ON_BUDGET,
}


def shown(value: Any) -> Any:
    """A value in a form in which equal means equal: sets in order, numbers by their digits."""
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [shown(each) for each in value]
    if isinstance(value, BaseModel):
        return {name: shown(each) for name, each in value}
    if isinstance(value, dict):
        return {name: shown(each) for name, each in value.items()}
    return value


def state_of(aggregate: BaseAggregate[str] | None) -> bytes:
    """Everything that a decision may depend on."""
    bookkeeping = {"_modified_on", "_pending_events"}
    return encode({k: shown(v) for k, v in sorted(vars(aggregate).items()) if k not in bookkeeping})


def fold(events: Sequence[Event]) -> BaseAggregate[str] | None:
    """The aggregate by the library's own rules: every event in its place, frames too."""
    aggregate = None
    for event in events:
        aggregate = event.mutate(aggregate)
    return aggregate


class LedgerLaws(RuleBasedStateMachine):
    """A ledger that is given whatever comes, restarted, and raced for."""

    executions: "Bundle[str]" = Bundle("executions")
    others: "Bundle[tuple[str, type[Any]]]" = Bundle("others")

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.clock = HandClock()
        self.open_ = self.opened()
        self.seen: list[Recorded] = []
        self.touched: set[str] = set()
        self.versions: dict[str, int] = {}
        self.statuses: dict[str, Status] = {}
        self.subjects: dict[str, str] = {}
        self.answers: dict[str, tuple[str, Receipt]] = {}

    def opened(self) -> Recording:
        return Recording(Path(self.folder.name, "ledger.db"), self.clock, POLICY)

    def teardown(self) -> None:
        log = self.open_.log()
        self.open_.ledger.close()
        self.folder.cleanup()
        assert log == self.seen

    def settle(self) -> None:
        """See to it that the ledger knows all there is, if that is not plain."""

    # What the writer decides on. Nothing is in flight when a rule looks.

    @property
    def live(self) -> Aggregates:
        return self.open_.ledger._writer._memory.aggregates  # noqa: SLF001 - the law is about this

    def live_states(self) -> dict[str, bytes]:
        return {id_: state_of(self.live.get(id_)) for id_ in self.versions}

    def give(self, command: c.Command, caller: Caller = ACME, **facts: Any) -> Receipt | None:
        """Give a command; None when it was refused, which must leave no trace."""
        before = self.live_states()
        try:
            receipt = self.open_.do(command, caller, **facts)
        except LedgerError:
            assert self.live_states() == before
            assert self.unseen() == []
            return None
        assert list(receipt.events) == self.unseen()
        self.see(receipt.events)
        if receipt.subject:
            self.subjects[receipt.id] = receipt.subject
        return receipt

    def unseen(self) -> list[Recorded]:
        return self.open_.ledger.read_log(len(self.seen), 1_000)

    def see(self, events: Sequence[Recorded]) -> None:
        """Take in what was recorded, and hold it to the laws of the log."""
        for event in events:
            assert event.position == len(self.seen) + 1
            assert event.version == self.versions.get(event.id, 0) + 1
            assert not self.seen or event.at >= self.seen[-1].at
            status = self.statuses.get(event.id)
            assert status is None or not status.is_terminal or event.topic in REMARKS
            if event.topic.startswith("execution."):
                self.statuses[event.id] = Status(event.facts.get("status") or status or "")
            self.versions[event.id] = event.version
            self.seen.append(event)
            self.touched.add(event.id)

    # Rules

    @rule(target=executions, data=st.data(), kind=st.sampled_from([c.CreateExecution, c.RecordRun]))
    def begin(self, data: st.DataObject, kind: type[Any]) -> Any:
        receipt = self.give(data.draw(draws.NEW[kind]))
        return multiple() if receipt is None else receipt.id

    @rule(target=executions, data=st.data(), parent=executions)
    def begin_child(self, data: st.DataObject, parent: str) -> Any:
        receipt = self.give(data.draw(draws.creations(parent_execution_id=st.just(parent))))
        return multiple() if receipt is None else receipt.id

    @rule(target=executions, data=st.data(), other=others)
    def begin_of_agent(self, data: st.DataObject, other: tuple[str, type[Any]]) -> Any:
        receipt = self.give(data.draw(draws.creations(agent_id=st.just(other[0]))))
        return multiple() if receipt is None else receipt.id

    @rule(target=executions, output=draws.digestible)
    def begin_and_hold_back(self, output: dict[str, Any]) -> Any:
        """A finished run whose output waits for a yes: what is parked there must be kept whole."""
        version = {"version": "1", "config": {"approval_required": True}, "given": {}}
        agent = self.give(c.RegisterAgent(f"Careful {len(self.seen)}"))
        assert agent is not None
        self.give(c.AddVersion(agent.id, {**version, "input_schema": {}}))
        run = self.give(c.CreateExecution(mode="record", input={}, agent_id=agent.id))
        assert run is not None
        self.give(c.Start(run.id, "worker-1"))
        assert self.give(c.Complete(run.id, output)) is not None
        return run.id

    @rule(
        target=others,
        data=st.data(),
        kind=st.sampled_from([c.RegisterAgent, c.CreateScoreConfig, c.CreateKey, *DATED]),
    )
    def make(self, data: st.DataObject, kind: type[Any]) -> Any:
        receipt = self.give(data.draw(draws.NEW[kind]))
        return multiple() if receipt is None else (receipt.id, kind)

    @rule(data=st.data(), kind=st.sampled_from(list(draws.ON_EXECUTION)), id_=executions)
    def act(self, data: st.DataObject, kind: type[Any], id_: str) -> None:
        self.give(data.draw(ON_EXISTING[kind](id_, self.subjects.get(id_, "none"))))

    @rule(id_=executions, data=st.data())
    def work(self, id_: str, data: st.DataObject) -> None:
        """Take an execution up and stream, where that is allowed: most laws are about these."""
        self.give(c.Start(id_, "worker-1"))
        self.give(c.Append(id_, data.draw(draws.steps)))

    @rule(data=st.data(), other=others)
    def change(self, data: st.DataObject, other: tuple[str, type[Any]]) -> None:
        id_, kind = other
        table = {
            c.RegisterAgent: draws.ON_AGENT,
            c.CreateScoreConfig: draws.ON_CONFIG,
            c.SetPrice: draws.ON_PRICE,
            c.SetBudget: draws.ON_BUDGET,
        }
        commands = table.get(kind, draws.ON_KEY)
        command = commands[data.draw(st.sampled_from(list(commands)))]
        self.give(data.draw(command(id_, self.subjects.get(id_, "none"))))

    @rule(data=st.data(), kind=st.sampled_from(list(draws.ON_EXECUTION)), id_=executions)
    def act_from_elsewhere(self, data: st.DataObject, kind: type[Any], id_: str) -> None:
        command = data.draw(ON_EXISTING[kind](id_, self.subjects.get(id_, "none")))

        assert self.give(command, UMBRELLA) is None

    @rule(id_=executions, key=st.sampled_from("ab"), digest=st.sampled_from("xy"))
    def repeat(self, id_: str, key: str, digest: str) -> None:
        command = c.Annotate(id_, {"key": key})
        if key not in self.answers:
            receipt = self.give(command, key=key, digest=digest)
            assert receipt is not None
            self.answers[key] = digest, receipt
        elif self.answers[key][0] == digest:
            again, first = self.give(command, key=key, digest=digest), self.answers[key][1]
            assert again == first._replace(position=0, repeated=True, events=[])
        else:
            refusal = self.open_.hand_over(command, key=key, digest=digest).exception(SECONDS)
            assert type(refusal) is KeyReused

    @rule(id_=executions, off=st.integers(-1, 1))
    def expect(self, id_: str, off: int) -> None:
        receipt = self.give(c.Annotate(id_, {}), expected_version=self.versions[id_] + off)

        assert (receipt is None) == (off != 0)

    @rule(id_=executions)
    def race(self, id_: str) -> None:
        version = self.versions[id_]
        with ThreadPoolExecutor(4) as threads:
            commands = [c.Annotate(id_, {"by": n}) for n in range(4)]
            expecting = partial(self.open_.hand_over, expected_version=version)
            replies = threads.map(expecting, commands)
            answers = [reply.exception(SECONDS) for reply in replies]

        self.see(self.unseen())
        assert sorted(map(type, answers), key=str) == [type(None), *[VersionMismatch] * 3]
        assert self.versions[id_] == version + 1

    @rule(data=st.data(), ids=st.lists(executions, min_size=2, max_size=4))
    def act_together(self, data: st.DataObject, ids: list[str]) -> None:
        kinds = st.sampled_from(list(draws.ON_EXECUTION))
        commands = [
            data.draw(ON_EXISTING[data.draw(kinds)](id_, self.subjects.get(id_, "none")))
            for id_ in ids
        ]
        self.settle()
        with self.open_.writer_held():
            self.see(self.unseen())
            replies = [self.open_.hand_over(command) for command in commands]

        refusals = [reply.exception(SECONDS) for reply in replies]
        assert all(each is None or isinstance(each, LedgerError) for each in refusals)
        receipts = [reply.result() for reply, no in zip(replies, refusals, strict=True) if not no]
        assert self.unseen() == list(chain.from_iterable(each.events for each in receipts))
        self.see(self.unseen())

    @rule()
    def restart(self) -> None:
        before = self.live_states()
        self.open_.ledger.close()

        self.open_ = self.opened()

        assert self.live_states() == before

    @rule(seconds=st.sampled_from([-3600, -1, 0.000001, 1, 3600]))
    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def what_is_stored_is_what_the_writer_decides_on(self) -> None:
        ledger = self.open_.ledger
        fresh = Aggregates(ledger._store, MAPPER, ledger.position)  # noqa: SLF001 - the law is about this
        for id_ in self.touched:
            live = state_of(self.live.get(id_))
            stored = [MAPPER.read(event) for event in self.seen if event.id == id_]
            assert live == state_of(fresh.get(id_)) == state_of(fold(stored))
        self.touched.clear()


pytestmark = pytest.mark.timeout(600)  # a broken law takes minutes to show its shortest breach

TestLedgerLaws = LedgerLaws.TestCase
TestLedgerLaws.settings = settings(
    max_examples=max(10, settings().max_examples // 2), stateful_step_count=20
)


def test_every_command_there_is_is_tried() -> None:
    every = {getattr(c, name) for name in c.__all__} - {c.Command, c.Decision}

    assert {*draws.NEW, *ON_EXISTING} == every
