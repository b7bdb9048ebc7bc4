"""The worker: asks the server for executions of a program's agents, and runs so many at once."""

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import uuid4

from ledger_client.client import AsyncLedger
from ledger_client.errors import (
    ConnectionFailed,
    LedgerClientError,
    NotFound,
    RateLimited,
    ServerError,
)
from ledger_client.request import write
from ledger_client.work.agents import AgentDefinition, AgentSet
from ledger_client.work.attempt import Attempt, Interruption, Slot
from ledger_client.work.children import Children
from ledger_client.work.connection import Connection
from ledger_client.work.hold import Hold

Json = dict[str, Any]

_CLAIM_SECONDS = 20.0
_GATHER_SECONDS = 0.005
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_LAST_WORDS_SECONDS = 5.0
_LEAVE_SECONDS, _LEAVE_AGAIN_SECONDS = 5.0, 0.1

log = logging.getLogger("ledger_client")


class Figures(NamedTuple):
    """How a worker is doing.

    Attributes:
        working: executions that have a slot now.
        waiting: executions that wait for a human, or for another execution.
        done: executions that it is done with, however they ended.
        trouble: why the server does not answer; None when it does.
    """

    working: int
    waiting: int
    done: int
    trouble: str | None


class Worker:
    """Runs agents on executions that the server gives it.

    Args:
        ledger: the server, on whose behalf; its key needs the role worker.
        agents: what it can run.
        slots: how many executions at once; those that wait for a human take none.
        name: recorded with each execution that it takes up; by default host, process and chance.
        on_change: told how it is doing, whenever that changes.
        on_registered: called once its agents are known.
    """

    def __init__(
        self,
        ledger: AsyncLedger,
        agents: AgentSet,
        *,
        slots: int = 8,
        name: str | None = None,
        on_change: Callable[[Figures], None] = lambda _: None,
        on_registered: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"
        self._connection = Connection(ledger.options)
        self._agents = {each.name: each for each in agents}
        self._asked_for = list(self._agents)
        self._slots = asyncio.Semaphore(slots)
        self._number = slots
        self._url = ledger.options.base_url
        self._on_change = on_change
        self._on_registered = on_registered
        self._children = Children(ledger.transport)
        self._attempts: dict[str, Attempt] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._hurrying = asyncio.Event()
        self._is_asking = False
        self._done = 0
        self._trouble: str | None = None

    @property
    def figures(self) -> Figures:
        """How it is doing."""
        waiting = sum(attempt.is_waiting for attempt in self._attempts.values())
        return Figures(len(self._attempts) - waiting, waiting, self._done, self._trouble)

    async def run(self, grace_seconds: float = 10.0) -> None:
        """Make the agents known, and work until `stop`.

        An agent that is archived meanwhile is not worked on any more.

        Args:
            grace_seconds: how long executions at work may take after that; those that take longer
                are given back.

        Raises:
            ApiError: the server refuses this worker or its agents.
        """
        claiming = asyncio.create_task(self._work_for_ever())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({claiming, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if claiming.done():
                claiming.result()
        finally:
            stopping.cancel()
            await self._leave(claiming)
            await self._drain(grace_seconds)
            await self._connection.close()

    @property
    def is_stopping(self) -> bool:
        """Whether it takes nothing up any more."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Take nothing up any more, and let `run` end in good order."""
        self._stopping.set()

    def hurry(self) -> None:
        """Give back now what does not finish at once; after `stop`."""
        self._hurrying.set()

    # Asking for work.

    async def _register(self) -> None:
        """Make the agents known. Raises ApiError."""
        agents = [_described(agent) for agent in self._agents.values()]
        known = await self._ask("/workers/register", {"agents": agents})
        for each in known:
            if each["differs"]:
                log.warning(
                    "agent %s: it changed, its version label %s did not; what is recorded stands",
                    each["name"],
                    each["version"],
                )
        self._on_registered()

    async def _work_for_ever(self) -> None:
        await self._register()
        log.info("worker %s runs %s at %s", self.name, ", ".join(self._agents), self._url)
        await self._claim_for_ever()

    async def _leave(self, claiming: asyncio.Task[None]) -> None:
        """Have a question that is under way answered: what it gives must not be lost.

        It is said again, each time by a connection of its own: behind a load balancer that comes to
        the server that was asked sooner or later.
        """
        leaving = write("POST", "/workers/leave", _data, self._about())
        headers = {**leaving.request.headers, "Connection": "close"}
        leaving = replace(leaving, request=replace(leaving.request, headers=headers))
        with suppress(LedgerClientError, TimeoutError):
            async with asyncio.timeout(_LEAVE_SECONDS):
                while not claiming.done() and self._is_asking:
                    await self._connection.run(leaving)
                    await asyncio.wait({claiming}, timeout=_LEAVE_AGAIN_SECONDS)
        claiming.cancel()

    async def _claim_for_ever(self) -> None:
        """Ask whenever a slot is free. No slot is held meanwhile: a run that waited may need it.

        A worker that was full waits a moment, so that one claim fills what becomes free together.
        """
        while not self._stopping.is_set():
            if self._slots.locked():
                async with self._slots:
                    pass
                await asyncio.sleep(_GATHER_SECONDS)
            self._is_asking = True
            claimed = await self._claim()
            self._is_asking = False
            for given in claimed:
                work = self._give_back(given) if self.is_stopping else self._work(given)
                task = asyncio.create_task(work, name=given["execution_id"])
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(0)  # they take their slots before it is asked for more

    async def _claim(self) -> list[Json]:
        most = max(1, self._number - self.figures.working)
        body = {**self._about(), "most": min(most, 100), "wait_seconds": _CLAIM_SECONDS}
        try:
            return await self._ask("/workers/claim", body)
        except NotFound as refusal:
            name = refusal.details.get("name")
            if name not in self._asked_for or len(self._asked_for) == 1:
                raise
            self._asked_for.remove(name)
            log.warning("it is not worked on any more: %s", refusal)
            return []

    def _about(self) -> Json:
        return {"agents": self._asked_for, "worker": self.name}

    async def _ask(self, path: str, body: Json) -> list[Json]:
        """Ask until the server answers. Raises ApiError."""
        pause = _FIRST_PAUSE
        while True:
            try:
                answer: list[Json] = await self._connection.run(write("POST", path, _data, body))
            except (ConnectionFailed, ServerError, RateLimited) as error:
                self._changed(str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._changed(None)
                return answer

    # Working.

    async def _work(self, given: Json) -> None:
        slot = Slot(self._slots)
        definition: AgentDefinition = self._agents[given["agent_name"]]
        attempt = Attempt(definition, Hold(self._connection, given), slot, self._children)
        self._attempts[attempt.execution_id] = attempt
        self._changed(self._trouble)
        try:
            await attempt.work()
        except Exception:
            log.exception("execution %s: the attempt broke off", attempt.execution_id)
        finally:
            slot.free()
            del self._attempts[attempt.execution_id]
            self._done += 1
            self._changed(self._trouble)

    async def _give_back(self, given: Json) -> None:
        """Let another worker have at once what came too late to be begun here."""
        with suppress(LedgerClientError):
            await Hold(self._connection, given).say("release", {})

    async def _drain(self, grace_seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self._until_idle()
        for attempt in list(self._attempts.values()):
            attempt.interrupt(Interruption.STOPPING)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_WORDS_SECONDS)
        for task in self._tasks:
            task.cancel()

    async def _until_idle(self) -> None:
        """Wait for what is at work, but not for what waits; or until there is a hurry."""
        hurrying = asyncio.create_task(self._hurrying.wait())
        try:
            while not hurrying.done():
                busy = {task for task in self._tasks if self._is_busy(task)}
                if not busy:
                    return
                await asyncio.wait({*busy, hurrying}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurrying.cancel()

    def _is_busy(self, task: asyncio.Task[None]) -> bool:
        attempt = self._attempts.get(task.get_name())
        return attempt is None or not attempt.is_waiting

    def _changed(self, trouble: str | None) -> None:
        self._trouble = trouble
        self._on_change(self.figures)


def _described(agent: AgentDefinition) -> Json:
    described = {
        "name": agent.name,
        "version": agent.version,
        "type": agent.type,
        "description": agent.description,
        "labels": agent.labels,
        "config": agent.config,
        "approval_policy": agent.approval_policy,
        "input_schema": agent.input_schema,
        "output_schema": agent.output_schema,
    }
    return {name: fact for name, fact in described.items() if fact is not None}


def _data(body: Any) -> list[Json]:
    data: list[Json] = body["data"]
    return data
