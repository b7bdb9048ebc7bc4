"""What the client promises to type checkers. Checked with the code, never run."""

from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import assert_type

from ledger_client import AsyncLedger, ExecutionEvent, Ledger, Recording
from ledger_client.models import Agent, Execution, Span
from ledger_client.money import CostRow, DayBudget, Repriced, StatedPrice, UnpricedModel
from ledger_client.paging import Page
from ledger_client.streams import AsyncEventStream, EventStream


def blocking(ledger: Ledger) -> None:
    """Results."""
    assert_type(ledger.agents.execute("a", input={}), Execution)
    assert_type(ledger.agents.list(name="a"), Page[Agent])
    assert_type(ledger.agents.delete("a"), None)
    assert_type(ledger.executions.iterate(agent_id="a"), Iterator[Execution])
    assert_type(ledger.executions.wait("x", timeout=1), Execution)
    assert_type(ledger.executions.stream("x"), EventStream)
    assert_type(next(ledger.executions.replay("x")), ExecutionEvent)
    assert_type(ledger.costs.groups("model"), list[CostRow])
    assert_type(ledger.prices.set("m", input="1", output=2), StatedPrice)
    assert_type(ledger.prices.list(), Page[StatedPrice])
    assert_type(ledger.prices.unknown(), list[UnpricedModel])
    assert_type(ledger.prices.reprice(dry_run=True), Repriced)
    assert_type(ledger.executions.get("x").cost_usd, str | None)
    ledger.agents.execute("a")  # type: ignore[call-arg]  # an execution has an input


async def awaiting(client: AsyncLedger) -> None:
    """What can be awaited."""
    running: Awaitable[Execution] = client.agents.execute("a", input={})
    assert_type(await running, Execution)
    assert_type(await client.executions.list(), Page[Execution])
    assert_type(await client.budgets.set("workspace", max_cost=1), DayBudget)
    assert_type(await client.budgets.end("b"), None)
    assert_type(client.executions.iterate(), AsyncIterator[Execution])
    assert_type(client.executions.stream("x"), AsyncEventStream)
    assert_type(await client.traces.get("t"), list[Span])
    async with client.record(agent="a") as run:
        assert_type(run, Recording)


def decorated(ledger: Ledger) -> None:
    """A recorded function keeps its type."""

    @ledger.recorded()
    def double(number: int) -> int:
        return 2 * number

    assert_type(double(2), int)
    double("2")  # type: ignore[arg-type]  # as without the decorator
