"""The two clients: everything there is to ask of a ledger, blocking or with asyncio."""

from asyncio import to_thread
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from ledger_client.options import Options, read_options
from ledger_client.recorder.recorded import recorded
from ledger_client.recorder.recorder import Recorder
from ledger_client.recorder.recording import Recording
from ledger_client.resources.agents import Agents, AsyncAgents
from ledger_client.resources.approvals import Approvals, AsyncApprovals
from ledger_client.resources.budgets import AsyncBudgets, Budgets
from ledger_client.resources.costs import AsyncCosts, Costs
from ledger_client.resources.dashboard import AsyncDashboardFigures, DashboardFigures
from ledger_client.resources.executions import AsyncExecutions, Executions
from ledger_client.resources.prices import AsyncPrices, Prices
from ledger_client.resources.scores import AsyncScores, Scores
from ledger_client.resources.sessions import AsyncSessions, Sessions
from ledger_client.resources.traces import AsyncTraces, Traces
from ledger_client.transport import AsyncTransport, Transport

F = TypeVar("F", bound=Callable[..., Any])
_TIMEOUT = 30.0
_MOST_RETRIES = 3


class _Records:
    """What both clients have: they record runs."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._recorder = Recorder(options)

    def record(
        self,
        agent: str | None = None,
        *,
        input: Any = None,  # noqa: A002  the contract's name
        metadata: Mapping[str, Any] | None = None,
        agent_id: str | None = None,
        version_id: str | None = None,
        session_id: str | None = None,
        user_id: str | None = None,
        parent_execution_id: str | None = None,
    ) -> Recording:
        """Record a run of one's own: `with ledger.record(agent="support", input={...}) as run:`.

        Neither this nor anything said in the block waits for the server, or raises because of it.

        Args:
            agent: the agent's name, registered on its first use.
            input: what the run was given; what is no mapping becomes `{"input": ...}`.
            metadata: what the run can be found by.
            agent_id: of the agent, instead of its name.
            version_id: by default the version in force.
            session_id: of the caller's own; groups runs.
            user_id: on whose behalf, in the caller's own words.
            parent_execution_id: the run that this one is a part of.

        Raises:
            TypeError: not exactly one of `agent` and `agent_id` is given.
        """
        if (agent is None) == (agent_id is None):
            message = "give one of agent and agent_id"
            raise TypeError(message)
        given = {} if input is None else input
        announcement = {
            "agent": agent,
            "agent_id": agent_id,
            "input": given if isinstance(given, Mapping) else {"input": given},
            "metadata": metadata,
            "version_id": version_id,
            "session_id": session_id,
            "user_id": user_id,
            "parent_execution_id": parent_execution_id,
        }
        return Recording(self._recorder, announcement)

    def recorded(self, agent: str | None = None, **announcement: Any) -> Callable[[F], F]:
        """A decorator for functions, async ones too: each call is a run.

        Args:
            agent: the agent's name; by default the function's.
            announcement: as for `record`, without the input: that is the call's arguments.
        """
        return recorded(self, agent=agent, **announcement)


class Ledger(_Records):
    """A ledger, for programs that block. Threads may share it. Use as a context, or close it.

    Args:
        base_url: `http://host:port`, or `unix:///path/of/a/socket`; by default `LEDGER_SERVER`, or
            this machine at port 8080.
        api_key: by default `LEDGER_API_KEY`, or none.
        workspace: for keys that open more than one.
        timeout: seconds to wait for each part of an answer.
        max_retries: how often a request is sent again when the server cannot be reached, cannot
            serve now, or asks for less; each is recorded once all the same.
        spill: where recordings wait while the server is away: True for `LEDGER_SPILL_DIR` or a
            directory of the user's, a path, or False for memory alone.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        workspace: str | None = None,
        timeout: float = _TIMEOUT,
        max_retries: int = _MOST_RETRIES,
        spill: bool | str | Path = True,
    ) -> None:
        options = read_options(
            base_url=base_url,
            api_key=api_key,
            workspace=workspace,
            timeout=timeout,
            max_retries=max_retries,
            spill=spill,
        )
        super().__init__(options)
        transport = Transport(options)
        self._transport = transport
        self.agents = Agents(transport)
        self.executions = Executions(transport)
        self.approvals = Approvals(transport)
        self.costs = Costs(transport)
        self.prices = Prices(transport)
        self.budgets = Budgets(transport)
        self.scores = Scores(transport)
        self.traces = Traces(transport)
        self.sessions = Sessions(transport)
        self.dashboard = DashboardFigures(transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until what was recorded is at the server; whether it is, after so many seconds."""
        return self._recorder.flush(timeout)

    def close(self) -> None:
        """Deliver what was recorded if the server is there, and close the connections."""
        self._recorder.close()
        self._transport.close()


class AsyncLedger(_Records):
    """A ledger, for asyncio. Tasks of one event loop may share it.

    Use as a context, or close it. The arguments are those of `Ledger`.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        workspace: str | None = None,
        timeout: float = _TIMEOUT,
        max_retries: int = _MOST_RETRIES,
        spill: bool | str | Path = True,
    ) -> None:
        options = read_options(
            base_url=base_url,
            api_key=api_key,
            workspace=workspace,
            timeout=timeout,
            max_retries=max_retries,
            spill=spill,
        )
        super().__init__(options)
        transport = self.transport = AsyncTransport(options)
        self._transport = transport
        self.agents = AsyncAgents(transport)
        self.executions = AsyncExecutions(transport)
        self.approvals = AsyncApprovals(transport)
        self.costs = AsyncCosts(transport)
        self.prices = AsyncPrices(transport)
        self.budgets = AsyncBudgets(transport)
        self.scores = AsyncScores(transport)
        self.traces = AsyncTraces(transport)
        self.sessions = AsyncSessions(transport)
        self.dashboard = AsyncDashboardFigures(transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def flush(
        self,
        timeout: float | None = None,  # noqa: ASYNC109  both clients have the same arguments
    ) -> bool:
        """Wait until what was recorded is at the server; whether it is, after so many seconds."""
        return await to_thread(self._recorder.flush, timeout)

    async def close(self) -> None:
        """Deliver what was recorded if the server is there, and close the connections."""
        await to_thread(self._recorder.close)
        await self._transport.close()
