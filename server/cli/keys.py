"""`execution-ledger keys`: who may speak to the ledger."""

import sys
from typing import Annotated

import typer

from ledger.access import ANY_WORKSPACE
from ledger.commands import CreateKey
from ledger.event import Actor
from ledger.orders import Caller
from ledger.role import Role
from projections.keys import active_keys
from server.auth import DEFAULT_WORKSPACE, digest_of_secret, new_secret
from server.cli.failures import USAGE, CommandFailed
from server.cli.help import LOOK
from server.cli.offline import Offline, opened
from server.cli.output import clean, print_json, say, short_time, table
from server.cli.session import Session, asks

app = typer.Typer(no_args_is_help=True, help="API keys: make, list, revoke.", **LOOK)

_AT_THE_FILE = Actor(type="user", id="command-line", auth="file")


@app.command()
@asks
async def create(
    session: Session,
    name: Annotated[str, typer.Argument(help="Whose key it is; shown in the history.")],
    role: Annotated[Role, typer.Option(help="What it may do.")],
    opens: Annotated[
        str, typer.Option(metavar="WORKSPACE", help="What it opens; * is every workspace.")
    ] = "",
    database: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Write to this ledger itself; on SQLite no server may be running."
        ),
    ] = "",
) -> None:
    """Make a key. Its secret is printed on stdout, once; nobody can read it again.

    The first key must be an admin's of every workspace. From then on every request needs a key.

    Examples:
      execution-ledger keys create ops --role admin --database sqlite:///execution-ledger.db
      execution-ledger keys create crawler --role worker --opens default
    """
    if database:
        made = _create_offline(database, name, role, opens)
    else:
        body = {"name": name, "role": role, **({"workspace": opens} if opens else {})}
        made = (await session.api.post("/keys", body)).data
    if session.as_json:
        print_json({"data": made})
        return
    sys.stderr.write(
        f"key {made['id']}: {made['role']} of {made['workspace_id']}. Keep the secret; it is"
        " shown this once:\n"
    )
    say(made["secret"])


def _create_offline(database: str, name: str, role: Role, opens: str) -> dict[str, str]:
    with opened(database, must_exist=False) as offline:
        first = _has_no_keys(offline)
        workspace = opens or (ANY_WORKSPACE if first else DEFAULT_WORKSPACE)
        if first and (role is not Role.ADMIN or workspace != ANY_WORKSPACE):
            message = (
                "the first key must be an admin's of every workspace: --role admin --opens '*'"
            )
            raise CommandFailed(message, USAGE)
        secret = new_secret()
        command = CreateKey(name, role, workspace, digest_of_secret(secret))
        receipt = offline.ledger.record(command, Caller(DEFAULT_WORKSPACE, _AT_THE_FILE))
    return {
        "id": receipt.id,
        "name": name,
        "role": role.value,
        "workspace_id": workspace,
        "secret": secret,
    }


def _has_no_keys(offline: Offline) -> bool:
    offline.catch_up_now()
    with offline.views.reading() as connection:
        return not list(active_keys(connection))


@app.command("list")
@asks
async def list_(session: Session) -> None:
    """List the keys in force. Secrets are not kept, so none is shown."""
    reply = await session.api.get("/keys", {"limit": 100})
    rows = [
        (each["id"], each["name"], each["role"], each["workspace_id"],
         short_time(each["created_at"]))
        for each in reply.data
    ]  # fmt: skip
    columns = ("id", "name", "role", "opens", "created (UTC)")
    session.show(reply, table("", columns, rows))


@app.command()
@asks
async def revoke(
    session: Session,
    key_id: Annotated[str, typer.Argument(help="The key's id.", metavar="ID")],
) -> None:
    """Close a key for ever, at once."""
    await session.api.delete(f"/keys/{key_id}")
    if session.as_json:
        print_json({"data": {"id": key_id, "revoked": True}})
    else:
        say(f"key {clean(key_id)} is revoked")
