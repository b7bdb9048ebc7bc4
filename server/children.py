"""Executions that a run in the server's process asks for, and waits for."""

from typing import Any

from ledger.commands import CreateExecution
from ledger.errors import NotFound
from ledger.orders import Caller
from ledger_client.models import Execution
from projections import agents, executions
from server.frames import ENDINGS
from server.services import Services

Json = dict[str, Any]
_LOOK_SECONDS = 30.0


class Children:
    """Asks for executions of other agents, by name, on behalf of a worker."""

    def __init__(self, services: Services, caller: Caller) -> None:
        self._services = services
        self._caller = caller

    async def complete(self, parent: str, agent: str, input_: Json, metadata: Json) -> Execution:
        """Ask for a run of an agent as a child, and wait for its end, whichever it is.

        Raises:
            NotFound: there is no agent of that name.
            LedgerError: it was refused.
        """
        found = await self._services.query(
            lambda connection: agents.find_agent(connection, self._caller.workspace, agent)
        )
        if found is None:
            raise NotFound("agent named", agent)
        command = CreateExecution(
            mode="execute",
            input=input_,
            agent_id=found["id"],
            metadata=metadata,
            parent_execution_id=parent,
        )
        id_ = (await self._services.record(command, self._caller)).id
        await self._end(id_)
        return Execution(
            await self._services.query(
                lambda connection: executions.get_execution(connection, self._caller.workspace, id_)
            )
        )

    async def _end(self, id_: str) -> None:
        services = self._services
        with services.hub.join(id_) as channel:
            seen = 0
            while not await services.read(lambda: services.ledger.read_last(id_, ENDINGS)):
                seen = max(seen, channel.last)
                await channel.went_on(seen, _LOOK_SECONDS)
