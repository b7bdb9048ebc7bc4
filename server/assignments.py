"""Executions as they stand in the log, for whoever gives them to workers."""

from collections.abc import Sequence
from functools import partial

from ledger import events as e
from server.assignment import Assignment, assignment_of
from server.services import Services


class Assignments:
    """Reads them. What was read may have changed since: the ledger checks it again."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def known(self, id_: str) -> Assignment:
        """An execution that there is."""
        [found] = await self.all_known([id_])
        return found

    async def all_known(self, ids: Sequence[str]) -> list[Assignment]:
        """Executions that there are, in one read."""

        def read() -> list[Assignment]:
            return [assignment_of(self._services.ledger.read_facts(id_)) for id_ in ids]

        return await self._services.read(read)

    async def find(self, id_: str) -> Assignment | None:
        """An execution; None when there is none of that id."""
        facts = await self._services.read(partial(self._services.ledger.read_facts, id_))
        is_one = bool(facts) and facts[0].topic == e.Created.TOPIC
        return assignment_of(facts) if is_one else None

    async def settled(self, id_: str) -> Assignment | None:
        """The same, but nothing was announced of it meanwhile of which it does not tell."""
        with self._services.hub.join(id_) as channel:
            while True:
                seen = channel.last
                found = await self.find(id_)
                if channel.last == seen:
                    return found
