"""The console script: every command, and where it is defined.

A command's module is imported when the command is asked for, so that a client command does not wait
for the server's imports.
"""

import importlib
import os
from errno import EDQUOT, ENOSPC
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from server.cli.failures import CommandFailed, leave
from server.cli.help import LOOK, help_of

COMMANDS: Final = {
    "serve": "server.cli.serving:serve",
    "demo": "server.cli.demo:demo",
    "worker": "server.cli.working:worker",
    "executions": "server.cli.executions:app",
    "approvals": "server.cli.approvals:app",
    "agents": "server.cli.agents:app",
    "costs": "server.cli.costs:costs",
    "prices": "server.cli.prices:app",
    "budgets": "server.cli.budgets:app",
    "reprice": "server.cli.repricing:reprice",
    "keys": "server.cli.keys:app",
    "rebuild": "server.cli.maintenance:rebuild",
    "check": "server.cli.maintenance:check",
    "migrate": "server.cli.migration:migrate",
}
"""Where each command is defined, in the order in which they are listed."""


class Commands(TyperGroup):
    """The commands of the table, imported when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command's name."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; None when there is none."""
        del ctx
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        return _command(cmd_name, getattr(importlib.import_module(module), name))


def _command(name: str, found: Any) -> Any:
    """A typer app or a function as the library's command of a name."""
    if isinstance(found, typer.Typer):
        group = typer.main.get_command(found)
        group.name = name
        return group
    single = typer.Typer(**LOOK)
    single.command(name, help=help_of(found))(found)
    return typer.main.get_command(single)


app = typer.Typer(name="execution-ledger", cls=Commands, no_args_is_help=True, **LOOK)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"execution-ledger {version('execution-ledger')}")
        raise typer.Exit


def _about(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """The flight recorder for AI agents: every run an event log to watch, replay and audit.

    Examples:
      execution-ledger demo
      execution-ledger serve --agents my_agents:agents
      execution-ledger executions list --status failed
      execution-ledger executions replay ID

    Client commands ask the server at --server (LEDGER_SERVER) with --api-key (LEDGER_API_KEY).
    They exit with 0 when done, 1 when refused or failed, 2 on wrong usage, 3 without a server.
    """


app.callback(help=help_of(_about))(_about)


def main() -> None:
    """Run the console script."""
    try:
        app()
    except OSError as error:
        if error.errno not in {ENOSPC, EDQUOT}:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left to write fails again
        leave(CommandFailed(f"nothing more can be written: {error.strerror}"))
