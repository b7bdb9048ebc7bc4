"""Laws of work on executions, tried on the server's own parts with a clock that is moved by hand.

One at a time: what is recorded between a start and its end is that worker's alone, and whoever
lost a lease is refused. Nothing is lost: at every moment a run waits to be given to a worker, is
held under a lease that runs out, waits for a human, or has ended. No run is lost more often than
it may be. While there is a worker, every run comes to an end or to a human.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ledger import commands as c
from ledger.application import Ledger
from ledger.approval_policy import ApprovalPolicy
from ledger.errors import LedgerError, NotFound
from ledger.event import Actor
from ledger.frames import FRAMES, Step, steps_of
from ledger.mapper import Recorded
from ledger.orders import Caller, Receipt, Reply
from ledger.status import Status
from projections.catalog import ALL
from projections.catch_up import CatchUp
from projections.store import ViewStore
from server.dispatch import Dispatch, Given
from server.expiry import expire_approvals
from server.leases import digest_of_token
from server.live import Hub
from server.services import Services, deliver_on
from server.settings import read_settings
from server.standing import Standing
from tests.recording import ACME, HandClock

T = TypeVar("T")

LEASE_SECONDS: Final = 10.0
MOST_ATTEMPTS: Final = 3
BACKOFF: Final = {"max_attempts": 2, "retry_backoff_s": 5, "max_duration_s": 60}
WORKERS: Final = ("w-1", "w-2", "w-3")
IN_PROCESS: Final = 2
"""Which of them works in the server's process, and ends with it."""

SPINS: Final = 20
"""Turns of the event loop in which everything that can go on does."""


class HandLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is moved by hand."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__()
        self._hand = clock

    def time(self) -> float:
        return self._hand.monotonic()


class AtOnce(ThreadPoolExecutor):
    """Reads in the caller's thread, so that nothing depends on how threads take turns."""

    asked = 0

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        self.asked += 1
        done: Future[T] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


class Views(CatchUp):
    """Views that are brought up to date by whoever asks them; so often they are not in time."""

    late = 0

    async def reached(self, position: int, timeout: float, *names: str) -> bool:  # noqa: ASYNC109 - as in the class it stands for
        if self.late:
            self.late -= 1
            return False
        while self.turn():
            pass
        return await super().reached(position, timeout, *names)


class Counting(Ledger):
    """A ledger that counts what it is asked for."""

    asked = 0

    def submit(self, command: c.Command, caller: Caller, reply: Reply, size: int = 0) -> None:
        self.asked += 1
        super().submit(command, caller, reply, size)

    def hold(self, command: c.Command, caller: Caller, reply: Reply, size: int = 0) -> bool:
        self.asked += 1
        return super().hold(command, caller, reply, size)


@dataclass
class Known:
    """A run as the log has it."""

    status: Status = Status.PENDING
    most: int = MOST_ATTEMPTS
    backs_off: bool = False
    lease: str | None = None
    worker: str = ""
    losses: int = 0
    was_denied: bool = False
    expires: bool = False

    @property
    def is_held(self) -> bool:
        return self.lease is not None and not self.status.is_terminal


@dataclass
class Hand:
    """A worker: what it was given at any time, and its claim that waits."""

    name: str
    caller: Caller = ACME
    given: list[Given] = field(default_factory=list)
    claim: "asyncio.Task[list[Given]] | None" = None


class WorkerLaws(RuleBasedStateMachine):
    """Workers that work, fall silent and wake up, on a server that restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.clock = HandClock()
        self.loop = HandLoop(self.clock)
        self.hands = [Hand(name) for name in WORKERS]
        self.hands[IN_PROCESS].caller = ACME._replace(
            actor=Actor(type="worker", id=WORKERS[IN_PROCESS], auth="in_process")
        )
        self.readers = AtOnce()
        self.runs: dict[str, Known] = {}
        self.order: list[str] = []
        self.position = 0
        self.do(self._open())

    async def _open(self) -> None:
        path = Path(self.folder.name, "ledger.db")
        self.ledger = Counting(path, durability="normal", clock=self.clock)
        plain, careful = self._agent("plain", {}), self._agent("careful", BACKOFF)
        self.agents = (plain, careful)
        self.ledger.deliver_by(deliver_on(self.loop))
        self.views = ViewStore.open(f"sqlite:///{path.with_suffix('.views.db')}")
        following = [each for each in ALL if each.name in {"executions", "approvals"}]
        self.catch_up = Views(self.views, following, self.ledger)
        await self._serve()

    def _agent(self, name: str, config: dict[str, Any]) -> str:
        id_ = self.ledger.record(c.RegisterAgent(name), ACME).id
        facts = {"version": "1", "config": config, "given": {}, "input_schema": {}}
        self.ledger.record(c.AddVersion(id_, facts), ACME)
        return id_

    async def _serve(self) -> None:
        """What a server does at its start, as far as workers are concerned."""
        nothing: Any = None
        hub = Hub()
        self.ledger.subscribe(hub.announce)
        self.services = Services(
            settings=read_settings(
                {},
                lease_seconds=LEASE_SECONDS,
                cancel_grace_seconds=5,
                most_attempts=MOST_ATTEMPTS,
            ),
            ledger=self.ledger,
            views=self.views,
            catch_up=self.catch_up,
            hub=hub,
            keyring=nothing,
            metrics=nothing,
            readers=self.readers,
            limiter=nothing,
            replays=nothing,
            outflows=nothing,
        )
        self.standing = Standing(self.services, self.clock.clocks)
        self.dispatch = Dispatch(self.services, self.standing)
        self.expiry = asyncio.create_task(expire_approvals(self.services, self.clock))
        await self.standing.start()

    async def _stop(self) -> None:
        claims = [hand.claim for hand in self.hands if hand.claim is not None]
        for hand in self.hands:
            hand.claim = None
        for task in (*claims, self.expiry):
            task.cancel()
        await asyncio.gather(*claims, self.expiry, return_exceptions=True)
        await self.standing.stop()

    def teardown(self) -> None:
        try:
            self.do(self._work_until_nothing_is_left())
            for id_, known in self.runs.items():
                parked = known.status is Status.AWAITING_APPROVAL and not known.expires
                assert known.status.is_terminal or parked, (id_, known)
        finally:
            self.do(self._stop())
            self.ledger.close()
            self.views.close()
            self.loop.close()
            self.folder.cleanup()

    async def _work_until_nothing_is_left(self) -> None:
        """One worker that completes whatever it is given, for as long as that may take."""
        for hand in self.hands:
            if hand.claim is not None:
                hand.claim.cancel()
                hand.claim = None
        for _ in range(20):
            await self._settle()
            for given in await self.dispatch.claim(ACME, "last", self.agents, 100, 0):
                lease = digest_of_token(given.token or "")
                id_ = given.assignment.execution_id
                await self.services.record(c.Complete(id_, {}, lease=lease), ACME)
            await self._pass(5)

    # Driving.

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something, and let everything that follows from it happen."""

        async def whole() -> T:
            try:
                return await work
            finally:
                await self._settle()

        done = self.loop.run_until_complete(whole())
        self._take_in_the_log()
        return done

    async def _settle(self) -> None:
        """Until nothing goes on any more unless time passes: the writer is first come, first
        served, so that an answer to the last of its commands is one to all."""
        asked = -1
        while self._asked != asked + 1:
            asked = self._asked
            with pytest.raises(NotFound):
                await self.services.record(c.Annotate("none", {}), ACME)
            for _ in range(SPINS):
                await asyncio.sleep(0)
        for hand in self.hands:
            if hand.claim is not None and hand.claim.done():
                hand.given += hand.claim.result()
                hand.claim = None

    @property
    def _asked(self) -> int:
        return self.ledger.asked + self.readers.asked

    async def _pass(self, seconds: float) -> None:
        while seconds > 0:
            self.clock.advance(min(seconds, 1))
            seconds -= 1
            await self._settle()

    async def _tried(self, command: c.Command) -> Receipt | None:
        try:
            return await self.services.record(command, ACME)
        except LedgerError:
            return None

    # Rules: what people do.

    async def _ask(self, agent: int) -> None:
        command = c.CreateExecution(mode="execute", input={}, agent_id=self.agents[agent])
        id_ = (await self.services.record(command, ACME)).id
        is_careful = agent == 1
        most = BACKOFF["max_attempts"] if is_careful else MOST_ATTEMPTS
        self.runs[id_] = Known(most=most, backs_off=is_careful)
        self.order.append(id_)

    @rule(agent=st.integers(0, 1))
    def ask(self, agent: int) -> None:
        self.do(self._ask(agent))

    @precondition(lambda self: self.order)
    @rule(data=st.data(), how=st.sampled_from(["yes", "no", "cancel"]))
    def say(self, data: st.DataObject, how: str) -> None:
        id_ = data.draw(st.sampled_from(self.order))
        command = c.Cancel(id_) if how == "cancel" else c.Decide(id_, approve=how == "yes")
        self.do(self._tried(command))

    # Rules: what workers do. One that is lost is one that does nothing.

    @rule(hand=st.integers(0, 2), most=st.integers(1, 3))
    def claim(self, hand: int, most: int) -> None:
        one = self.hands[hand]
        one.given += self.do(self.dispatch.claim(one.caller, one.name, self.agents, most, 0))

    async def _wait(self, hand: Hand) -> None:
        if hand.claim is None:
            waiting = self.dispatch.claim(hand.caller, hand.name, self.agents, 1, 30)
            hand.claim = asyncio.create_task(waiting)

    @rule(hand=st.integers(0, 2))
    def wait_for_work(self, hand: int) -> None:
        self.do(self._wait(self.hands[hand]))

    @rule(hand=st.integers(0, 2), other=st.integers(0, 2), turns=st.integers(0, 8))
    def leave_while_work_comes(self, hand: int, other: int, turns: int) -> None:
        """A worker that waits is cut off just when it is given something, or is about to be."""

        async def leave() -> None:
            await self._wait(self.hands[hand])
            await asyncio.sleep(0)
            await self._wait(self.hands[other])
            await self._ask(0)
            for _ in range(turns):
                await asyncio.sleep(0)
            claim = self.hands[hand].claim
            assert claim is not None
            claim.cancel()
            self.hands[hand].claim = None

        self.do(leave())

    @rule(
        hand=st.integers(0, 2),
        place=st.integers(0, 9),
        act=st.sampled_from(["write", "beat", "end", "ask", "go on", "release"]),
    )
    def act(self, hand: int, place: int, act: str) -> None:
        """Whoever was given a run does something with it, now or long after it was lost.

        What was given to whom may depend on how threads take turns; what is drawn must not.
        """
        if not self.hands[hand].given:
            return
        given = self.hands[hand].given[-1 - place % len(self.hands[hand].given)]
        id_, lease = given.assignment.execution_id, digest_of_token(given.token or "")
        known = self.runs[id_]
        holds = known.is_held and known.lease == lease
        running = known.status is Status.RUNNING

        accepted = self.do(self._acted(self.hands[hand].caller, act, id_, lease))

        assert holds or not accepted, (act, known)
        if holds and (running or act == "beat"):
            assert accepted, (act, known)

    async def _acted(self, caller: Caller, act: str, id_: str, lease: str) -> bool:
        try:
            match act:
                case "beat":
                    await self.dispatch.hear_from("acme", id_, lease)
                case "go on":
                    await self.dispatch.go_on(caller, id_, lease, 0)
                case _:
                    if act == "release":
                        await self.dispatch.hear_from("acme", id_, lease)
                    command = _command(act, id_, lease, self.clock.now)
                    await self.services.record(command, caller)
                    self.dispatch.heard(id_, lease)
        except LedgerError:
            return False
        return True

    # Rules: what happens.

    @rule(seconds=st.sampled_from([0.5, 3, LEASE_SECONDS + 1, 45]))
    def pass_time(self, seconds: float) -> None:
        self.do(self._pass(seconds))

    @rule()
    def restart(self) -> None:
        self.do(self._stop())
        self.hands[IN_PROCESS].given.clear()
        self.do(self._serve())

        for id_, known in self.runs.items():
            is_at_work = known.status is Status.RUNNING
            assert not (is_at_work and known.worker == WORKERS[IN_PROCESS]), (id_, known)

    # Laws.

    def _take_in_the_log(self) -> None:
        """One worker at a time, and never lost more often than allowed; just after a no is free."""
        for event in self.ledger.read_log(self.position, 1_000_000):
            self.position = event.position
            known = self.runs.get(event.id)
            if known is not None:
                _follow(known, event)

    @invariant()
    def nothing_is_lost(self) -> None:
        now = self.loop.time()
        waiting = self.standing.queue._places  # noqa: SLF001 - the law is about this
        leases = self.standing.leases._leases  # noqa: SLF001 - nothing else shows all of them
        for id_, known in self.runs.items():
            lease = leases.get(id_)
            runs_out = (
                lease is not None
                and lease.digest == known.lease
                and lease.until is not None
                and now < lease.until <= now + LEASE_SECONDS
            )
            is_at_hand = id_ in waiting or known.backs_off
            match known.status:
                case Status.PENDING:
                    assert is_at_hand, known
                    assert lease is None, known
                case Status.RUNNING:
                    assert runs_out, known
                case Status.APPROVED:
                    assert is_at_hand or runs_out, known
                case Status.AWAITING_APPROVAL:
                    assert id_ not in waiting
                case _:
                    assert lease is None
                    assert id_ not in waiting

    @invariant()
    def nobody_waits_beside_work(self) -> None:
        """No worker waits in a claim while there is something for it."""
        idle = any(hand.claim is not None for hand in self.hands)
        assert not (idle and len(self.standing.queue))


def _follow(known: Known, event: Recorded) -> None:
    facts = event.facts
    match event.topic:
        case "execution.started.v1":
            assert known.losses < known.most
            known.lease, known.worker = facts["lease"], facts["worker"]
        case "execution.content_streamed.v1":
            assert facts["content"] == known.lease
        case "execution.worker_lost.v1":
            known.lease = None
            known.losses += event.envelope["actor"]["id"] == "dispatch" and not known.was_denied
        case "execution.approval_requested.v1":
            known.expires = "expires_at" in facts
        case "execution.failed.v1" if facts["error_code"] == "worker_lost":
            assert known.losses <= known.most
    if "status" in facts:
        known.status, known.was_denied = Status(facts["status"]), "denied" in event.topic


def _command(act: str, id_: str, lease: str, now: datetime) -> c.Command:
    match act:
        case "write":
            return c.Append(id_, _frame(lease), lease)
        case "end":
            return c.Complete(id_, {}, lease=lease)
        case "release":
            return c.LoseWorker(id_, 0, lease=lease, in_good_order=True)
        case _:
            return _request(id_, lease, now)


def _request(id_: str, lease: str, now: datetime) -> c.Command:
    """With a time at which it expires, or one that goes on after a no; so may both be."""
    resumes = ApprovalPolicy(on_reject="resume") if now.second % 2 else ApprovalPolicy()
    expires_at = now + timedelta(seconds=20) if now.second % 3 else None
    return c.RequestApproval(id_, "send", {}, expires_at, resumes, lease)


def _frame(text: str) -> list[Step]:
    return steps_of(FRAMES.validate_python([{"type": "content", "content": text}]))


pytestmark = pytest.mark.timeout(600)  # a broken law takes minutes to show its shortest breach

TestWorkerLaws = WorkerLaws.TestCase
TestWorkerLaws.settings = settings(
    max_examples=max(10, settings().max_examples), stateful_step_count=25
)


def test_a_server_whose_views_are_late_finds_what_waits() -> None:
    site = WorkerLaws()
    site.ask(agent=0)
    site.catch_up.late = 2

    site.restart()

    site.nothing_is_lost()
    site.teardown()
