"""The console script: every command, and where it is defined."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

import typer

from server.cli import agents, approvals, executions, keys
from server.cli.costs import costs
from server.cli.demo import demo
from server.cli.maintenance import check_, rebuild
from server.cli.serving import serve
from server.cli.session import help_of

app = typer.Typer(
    name="execution-ledger",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"execution-ledger {version('execution-ledger')}")
        raise typer.Exit


def _about(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Say which, and exit."
        ),
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


def _add(name: str, command: Callable[..., Any]) -> None:
    app.command(name, help=help_of(command))(command)


app.callback(help=help_of(_about))(_about)
_add("serve", serve)
_add("demo", demo)
app.add_typer(executions.app, name="executions")
app.add_typer(approvals.app, name="approvals")
app.add_typer(agents.app, name="agents")
app.command("costs")(costs)
app.add_typer(keys.app, name="keys")
_add("rebuild", rebuild)
_add("check", check_)


def main() -> None:
    """Run the console script."""
    app()
