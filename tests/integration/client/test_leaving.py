"""A worker that stops behind a load balancer, which sends each of its connections elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import chain, cycle, repeat

import pytest

from ledger_client import AsyncLedger
from ledger_client.work import AgentSet, Run, Worker
from ledger_client.work import worker as worker_module
from tests.e2e.balancer import balanced
from tests.live_server import live_server
from tests.postgres import fresh_schema
from tests.quick_settings import quick_settings

SECONDS = 20.0


@pytest.fixture
def ports() -> Iterator[list[int]]:
    """Of two servers of one ledger."""
    with fresh_schema() as url:
        settings = quick_settings(url)
        with live_server(settings) as first, live_server(settings) as second:
            yield [first.port, second.port]


def scribe(begun: list[str]) -> AgentSet:
    """An agent that notes what it begins."""
    agents = AgentSet()

    @agents.agent(name="scribe", version="1")
    async def write(run: Run, _: object) -> str:
        begun.append(run.execution_id)
        return "written"

    return agents


@asynccontextmanager
async def waiting(
    ports: list[int], order: Iterator[Sequence[int]], begun: list[str]
) -> AsyncIterator[tuple[Worker, "asyncio.Task[None]"]]:
    """A worker that waits in a claim at the first of the servers, behind a balancer."""

    def choose() -> Sequence[int]:
        return next(order)

    with balanced(ports, choose) as port:
        async with AsyncLedger(f"http://127.0.0.1:{port}", spill=False) as ledger:
            registered = asyncio.Event()
            worker = Worker(ledger, scribe(begun), on_registered=registered.set)
            running = asyncio.create_task(worker.run(grace_seconds=SECONDS))
            async with asyncio.timeout(SECONDS):
                await registered.wait()
            await asyncio.sleep(0.2)  # the claim is on its way by the same connection
            try:
                yield worker, running
            finally:
                worker.stop()
                await running


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that would ask to be let go for ever."""
    monkeypatch.setattr(worker_module, "_LEAVE_SECONDS", 3_600)


@pytest.mark.usefixtures("patient")
async def test_whichever_server_holds_its_claim_is_told_that_it_leaves(ports: list[int]) -> None:
    async with waiting(ports, cycle((ports, ports[::-1])), []) as (worker, running):
        worker.stop()

        async with asyncio.timeout(SECONDS / 2):  # a claim that nobody ends takes all of them
            await running


@pytest.mark.usefixtures("patient")
async def test_what_it_is_given_too_late_is_given_back_and_not_begun(ports: list[int]) -> None:
    """The server that holds its claim never hears that it leaves."""
    begun: list[str] = []
    order = chain((ports,), repeat(ports[::-1]))
    async with waiting(ports, order, begun) as (worker, running):
        worker.stop()
        await asyncio.sleep(0.3)
        async with AsyncLedger(f"http://127.0.0.1:{ports[0]}", spill=False) as ledger:
            (agent,) = (await ledger.agents.list()).data
            asked = await ledger.agents.execute(agent_id=agent.id, input={}, async_mode=True)

            async with asyncio.timeout(SECONDS):
                await running
            events = await ledger.executions.events(asked.execution_id)

    assert begun == []
    assert [event.type for event in events.data][-2:] == ["started", "worker_lost"]
