"""`execution-ledger serve`: the server itself."""

import asyncio
import errno
import sqlite3
from collections.abc import Coroutine
from typing import Annotated, Any

import typer
from sqlalchemy.exc import SQLAlchemyError

from ledger.errors import DatabaseInUse, StoreFailed
from ledger_client import ApiError
from ledger_client.work import AgentSet, InvalidAgent
from server.app import serve as run_server
from server.cli.failures import REFUSED, USAGE, CommandFailed, leave
from server.cli.offline import settings_for
from server.cli.working import agents_at
from server.logs import configure_logs
from server.settings import InvalidSettings, Settings

Host = Annotated[str | None, typer.Option(help="Address to listen on; LEDGER_HOST.")]
Port = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one; LEDGER_PORT.")
]
Database = Annotated[
    str | None,
    typer.Option(metavar="URL", help="sqlite:///PATH or postgresql://...; LEDGER_DATABASE."),
]


def serve(
    *,
    host: Host = None,
    port: Port = None,
    database: Database = None,
    agents: Annotated[
        str, typer.Option(metavar="MODULE:NAME", help="An AgentSet to run in this process.")
    ] = "",
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Only record; run no agent in this process.")
    ] = False,
) -> None:
    """Serve the ledger until SIGTERM or Ctrl-C.

    Settings are LEDGER_* variables; options win over them. Log lines go to stderr.

    Examples:
      execution-ledger serve
      execution-ledger serve --database sqlite:////var/lib/ledger/ledger.db --port 9000
      execution-ledger serve --agents my_agents:agents
    """
    try:
        settings = settings_for(host=host, port=port, database=database)
        configure_logs(settings)
        found = _agents(agents)
        run_to_the_end(run_server(settings, found, worker=not no_worker), settings)
    except CommandFailed as failure:
        leave(failure)


def _agents(place: str) -> AgentSet | None:
    if not place:
        return None
    return agents_at(place)


def run_to_the_end(server: Coroutine[Any, Any, None], settings: Settings) -> None:
    """Run a server; what keeps it from starting is said in one line.

    Raises:
        CommandFailed: the port or the file is taken, the settings do not go together, or an agent
            cannot be registered.
    """
    try:
        asyncio.run(server)
    except (InvalidSettings, InvalidAgent, ApiError) as error:
        raise CommandFailed(str(error), USAGE) from None
    except DatabaseInUse:
        message = f"{settings.place} is in use by another server"
        raise CommandFailed(message, REFUSED) from None
    except (StoreFailed, sqlite3.Error, SQLAlchemyError) as error:
        message = f"cannot open {settings.place}: {str(error).splitlines()[0]}"
        raise CommandFailed(message, REFUSED) from None
    except OSError as error:
        raise CommandFailed(_in_words(error, settings), REFUSED) from None


def _in_words(error: OSError, settings: Settings) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {settings.port} on {settings.host} is in use; --port 0 takes a free one"
    if error.errno in {errno.EADDRNOTAVAIL, errno.EACCES} and error.filename is None:
        return f"cannot listen on {settings.host}:{settings.port}: {error.strerror}"
    return f"cannot open {settings.place}: {error.strerror or error}"
