"""`execution-ledger worker`: runs a program's agents for a server, on this machine or any other."""

import asyncio
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status

from ledger_client import ApiError, AsyncLedger
from ledger_client.work import AgentSet, InvalidAgent, Worker, load_agents
from ledger_client.work.worker import Figures
from server.cli.failures import REFUSED, USAGE, CommandFailed, leave
from server.cli.output import clean
from server.cli.session import DEFAULT_SERVER, ApiKey, Server, Workspace


def worker(
    agents: Annotated[str, typer.Argument(metavar="MODULE:NAME", help="An AgentSet to run.")],
    *,
    server: Server = DEFAULT_SERVER,
    api_key: ApiKey = "",
    workspace: Workspace = "",
    slots: Annotated[int, typer.Option(min=1, max=1000, help="How many executions at once.")] = 8,
    name: Annotated[
        str,
        typer.Option(help="What is recorded as the worker; by default made up.", metavar="NAME"),
    ] = "",
    grace: Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="How long executions may take to finish at the end."
        ),
    ] = 30.0,
) -> None:
    """Run agents for a server until SIGTERM or Ctrl-C.

    Registers the agents, takes up executions of them, and waits for a server that is away. At the
    end it takes nothing up any more, lets what runs finish, and gives back what does not, for
    another worker. The key needs the role worker.

    Examples:
      execution-ledger worker my_agents:agents
      execution-ledger worker my_agents:agents --server https://ledger.example.com --slots 16
    """
    try:
        found = agents_at(agents)
        asyncio.run(
            _work(
                AsyncLedger(server, api_key, workspace=workspace, spill=False),
                found,
                slots,
                name,
                grace,
            )
        )
    except ValueError as error:
        leave(CommandFailed(str(error), USAGE))
    except ApiError as refusal:
        leave(CommandFailed(str(refusal), REFUSED))
    except CommandFailed as failure:
        leave(failure)


def agents_at(place: str) -> AgentSet:
    """The agent set at MODULE:NAME, also of the working directory. Raises CommandFailed."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        return load_agents(place)
    except InvalidAgent as error:
        raise CommandFailed(str(error), USAGE) from None


async def _work(ledger: AsyncLedger, agents: AgentSet, slots: int, name: str, grace: float) -> None:
    console = Console(stderr=True, highlight=False)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with console.status("", spinner="dots") as line:
        shown = _Shown(line, is_live=console.is_terminal)
        one = Worker(ledger, agents, slots=slots, name=name or None, on_change=shown.change)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop, one, grace)
        async with ledger:
            await one.run(grace)
    logging.getLogger("ledger_client").info("worker stopped; executions done: %d", shown.done)


def _stop(worker: Worker, grace: float) -> None:
    """Stop in good order; asked again, at once."""
    working = worker.figures.working
    if worker.is_stopping:
        worker.hurry()
    elif working:
        say = logging.getLogger("ledger_client").info
        say("stopping: %d at work may finish within %g s; once more gives back now", working, grace)
    worker.stop()


class _Shown:
    """The status line: how the worker is doing. Without a terminal only trouble is said."""

    def __init__(self, line: Status, *, is_live: bool) -> None:
        self._line = line
        self._is_live = is_live
        self._trouble: str | None = None
        self.done = 0

    def change(self, now: Figures) -> None:
        """Show the figures."""
        self.done = now.done
        if self._is_live:
            said = f"{now.working} working, {now.waiting} waiting, {now.done} done"
            self._line.update(clean(f"{said}; {now.trouble}" if now.trouble else said))
        elif now.trouble != self._trouble:
            logging.getLogger("ledger_client").info(now.trouble or "the server is there")
        self._trouble = now.trouble
