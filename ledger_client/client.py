"""The two clients: everything there is to ask of a ledger, blocking or with asyncio."""

from pathlib import Path
from typing import Self

from ledger_client.options import Options, read_options
from ledger_client.resources.agents import Agents, AsyncAgents
from ledger_client.resources.approvals import Approvals, AsyncApprovals
from ledger_client.resources.costs import AsyncCosts, Costs
from ledger_client.resources.dashboard import AsyncDashboardFigures, DashboardFigures
from ledger_client.resources.executions import AsyncExecutions, Executions
from ledger_client.resources.scores import AsyncScores, Scores
from ledger_client.resources.sessions import AsyncSessions, Sessions
from ledger_client.resources.traces import AsyncTraces, Traces
from ledger_client.transport import AsyncTransport, Transport

_TIMEOUT = 30.0
_MOST_RETRIES = 3


class Ledger:
    """A ledger, for programs that block. Threads may share it. Use as a context, or close it.

    Args:
        base_url: `http://host:port`; by default `LEDGER_URL`, or this machine at port 8080.
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
        self.options: Options = options
        transport = Transport(options)
        self._transport = transport
        self.agents = Agents(transport)
        self.executions = Executions(transport)
        self.approvals = Approvals(transport)
        self.costs = Costs(transport)
        self.scores = Scores(transport)
        self.traces = Traces(transport)
        self.sessions = Sessions(transport)
        self.dashboard = DashboardFigures(transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


class AsyncLedger:
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
        self.options: Options = options
        transport = AsyncTransport(options)
        self._transport = transport
        self.agents = AsyncAgents(transport)
        self.executions = AsyncExecutions(transport)
        self.approvals = AsyncApprovals(transport)
        self.costs = AsyncCosts(transport)
        self.scores = AsyncScores(transport)
        self.traces = AsyncTraces(transport)
        self.sessions = AsyncSessions(transport)
        self.dashboard = AsyncDashboardFigures(transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()
