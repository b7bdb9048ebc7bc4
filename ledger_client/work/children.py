"""Executions that a run asks for, and waits for."""

from typing import Any

from ledger_client.errors import LedgerClientError
from ledger_client.models import Execution
from ledger_client.resources.agents import AsyncAgents
from ledger_client.resources.executions import AsyncExecutions
from ledger_client.transport import AsyncTransport

Json = dict[str, Any]


class Children:
    """Asks for executions of other agents, by name."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._agents = AsyncAgents(transport)
        self._executions = AsyncExecutions(transport)

    async def complete(self, parent: str, agent: str, input_: Json, metadata: Json) -> Execution:
        """Ask for a run of an agent as a child, and wait for its end, whichever it is.

        Raises:
            LedgerClientError: there is no agent of that name, or it was refused.
        """
        page = await self._agents.list(name=agent)
        if not page.data:
            message = f"there is no agent named {agent!r}"
            raise LedgerClientError(message)
        begun = await self._agents.execute(
            page.data[0].id,
            input=input_,
            metadata=metadata,
            parent_execution_id=parent,
            async_mode=True,
        )
        async with self._executions.stream(begun.id) as events:  # ends at once with the run
            async for _ in events:
                pass
        return await self._executions.wait(begun.id)
