"""A command that asks a server: its common options, its connection, its one way to fail."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Concatenate, Final, NamedTuple, ParamSpec

import typer

from server.cli.connection import Api, Refusal, Reply, Unreachable
from server.cli.failures import REFUSED, UNREACHABLE, USAGE, CommandFailed, leave
from server.cli.help import help_of
from server.cli.output import print_bytes, say

P = ParamSpec("P")

DEFAULT_SERVER: Final = "http://127.0.0.1:8080"

Server = Annotated[
    str, typer.Option(envvar="LEDGER_SERVER", help="The server's address.", metavar="URL")
]
ApiKey = Annotated[
    str,
    typer.Option(
        envvar="LEDGER_API_KEY", help="The API key, where the server has any.", metavar="KEY"
    ),
]
Workspace = Annotated[
    str, typer.Option(help="The workspace, for a key that opens several.", metavar="NAME")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the server's answer as JSON, for tools.")
]

_OF_USAGE: Final = frozenset({"validation_error", "invalid_query", "invalid_json"})
"""What the server says of a value that has no meaning, whatever the ledger is like."""

_OPTIONS: Final = {
    "server": (Server, DEFAULT_SERVER),
    "api_key": (ApiKey, ""),
    "workspace": (Workspace, ""),
    "as_json": (AsJson, False),
}


class Session(NamedTuple):
    """What a command works with."""

    api: Api
    as_json: bool

    def show(self, reply: Reply, *renderables: Any) -> None:
        """Print the answer as it came, or what people read."""
        if self.as_json:
            print_bytes(reply.text + b"\n")
        else:
            say(*renderables)


def asks(command: Callable[Concatenate[Session, P], Awaitable[None]]) -> Callable[..., None]:
    """Make an async function of a session a command, with the options that all of them have."""
    signature = inspect.signature(command, eval_str=True)
    own = list(signature.parameters.values())[1:]
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)
        for name, (hint, default) in _OPTIONS.items()
    ]

    def run(**given: Any) -> None:
        options = {name: given.pop(name) for name in _OPTIONS}
        asyncio.run(_run(command, options, given))

    run.__name__, run.__doc__ = command.__name__, help_of(command)
    parameters = [*(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own), *common]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # functions may
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


async def _run(
    command: Callable[..., Awaitable[None]], options: dict[str, Any], given: dict[str, Any]
) -> None:
    async with Api(options["server"], options["api_key"], options["workspace"]) as api:
        try:
            await command(Session(api, options["as_json"]), **given)
        except Refusal as refusal:
            leave(CommandFailed(str(refusal), USAGE if refusal.code in _OF_USAGE else REFUSED))
        except Unreachable as error:
            leave(CommandFailed(f"{error}; `execution-ledger serve` starts one", UNREACHABLE))
        except CommandFailed as failure:
            leave(failure)
