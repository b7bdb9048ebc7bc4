"""`execution-ledger demo`: the server with sample agents, and a few runs of them to look at."""

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from shutil import which
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from ledger.database import shown
from server.app import serve as run_server
from server.cli.connection import Api, Refusal, Unreachable
from server.cli.executions import executions_table
from server.cli.failures import CommandFailed, leave
from server.cli.frames import frames_of, readable
from server.cli.offline import settings_for
from server.cli.output import money, say
from server.cli.serving import run_to_the_end
from server.cli.session import ApiKey
from server.demo import PRICES, agents
from server.demo.tour import Toured, take_tour
from server.logs import configure_logs
from server.settings import Settings

_PORT = 8080


def demo(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Show the runs, costs and a replay, and exit.")
    ] = False,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = _PORT,
    database: Annotated[
        str,
        typer.Option(metavar="URL", help="sqlite:///PATH or postgresql://..., to keep its data."),
    ] = "",
    api_key: ApiKey = "",
) -> None:
    """Run the server with sample agents, nothing to configure.

    The agents work on the records of a small shop that come with the package: no network, no
    language model. Without --database the data is in a temporary folder, gone when the demo ends.

    Examples:
      execution-ledger demo
      execution-ledger demo --once
    """
    try:
        with _data(database) as url:
            settings = _settings(host, port, url)
            configure_logs(settings)
            run_to_the_end(_demo(settings, api_key, once=once), settings)
    except CommandFailed as failure:
        leave(failure)


@contextlib.contextmanager
def _data(database: str) -> Iterator[str]:
    if database:
        say(f"Data: {shown(database)}")
        yield database
        return
    with TemporaryDirectory(prefix="execution-ledger-demo-") as folder:
        say(f"Data: {folder} (gone when the demo ends; --database sqlite:///PATH keeps it)")
        yield f"sqlite:///{Path(folder, 'demo.db')}"


def _settings(host: str, port: int, url: str) -> Settings:
    if port and not _is_free(host, port):
        say(f"Port {port} is in use, so the demo takes another one.")
        port = 0
    prices: Any = PRICES
    return settings_for(
        host=host,
        port=port,
        database=url,
        prices=prices,
        log_format="console",
        log_level="warning",
    )


def _is_free(host: str, port: int) -> bool:
    """Whether nobody listens there; what else is wrong with the address, the server will say."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return True
    family, kind, _, _, address = found[0]
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


async def _demo(settings: Settings, api_key: str, *, once: bool) -> None:
    """The server, and the tour beside it; the server's end is the demo's end."""
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(
        run_server(settings, agents, worker=True, on_ready=address.set_result)
    )
    tour = asyncio.create_task(_tour(address, api_key, once=once))
    await asyncio.wait({server, tour}, return_when=asyncio.FIRST_COMPLETED)
    if tour.done() and not once and tour.exception() is None:
        await server
        return
    for task in (tour, server):
        task.cancel()
    outcome = await asyncio.gather(server, tour, return_exceptions=True)
    for error in outcome:
        if isinstance(error, Exception):
            raise error


async def _tour(address: "asyncio.Future[str]", api_key: str, *, once: bool) -> None:
    url = await address
    say(f"Serving at {url}", "", "Asking the demo agents for some runs:")
    try:
        async with Api(url, api_key) as api:
            toured = await take_tour(api)
            say("", executions_table(toured.executions), "")
            if once:
                await _show(api, toured)
            else:
                _invite(url, toured, has_keys=bool(api_key))
    except Refusal as refusal:
        message = str(refusal)
        if refusal.code == "unauthorized":
            message += "; this ledger has keys: set LEDGER_API_KEY"
        raise CommandFailed(message) from None
    except Unreachable as error:
        raise CommandFailed(str(error)) from None


async def _show(api: Api, toured: Toured) -> None:
    total = (await api.get("/costs/summary")).data
    say(
        f"Cost in all: {money(total['total_cost_usd'])} for {total['total_tokens']} tokens. The"
        " only model is `local-rules-1`, a word counter at a made-up price; the other",
        "agents use none, and so cost nothing.",
        "",
    )
    approved = toured.approved
    say(f"Replay of {approved['id']}, as it was streamed:")
    async for frame in frames_of(api.stream(f"/executions/{approved['id']}/replay")):
        say(readable(frame))


def _invite(url: str, toured: Toured, *, has_keys: bool) -> None:
    id_ = toured.waiting["id"]
    base = f"{url}/api/v1/executions"
    curl = 'curl -s -H "X-API-Key: $LEDGER_API_KEY"' if has_keys else "curl -s"
    done = toured.approved["id"]
    script = "execution-ledger" if which("execution-ledger") else quote(sys.argv[0])
    say(
        "Try these:",
        "",
        "  the runs for gold customers",
        f"    {curl} '{base}?metadata.tier=gold&fields=id,agent_name,status,cost_usd'",
        "  a replay, at the pace at which it was recorded",
        f"    {curl} -N '{base}/{done}/replay?speed=1'",
        "  approve the refund that waits, then look at it again",
        f"    {curl} -X POST '{base}/{id_}/approve'",
        f"    {script} executions watch {id_} --server {url}",
        "",
        f"API: {url}/docs",
        "Ctrl-C ends the demo.",
    )
