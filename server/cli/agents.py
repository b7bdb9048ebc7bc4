"""`execution-ledger agents`: their names, their versions, the version in force."""

from typing import Annotated, Any

import typer

from server.cli.help import LOOK
from server.cli.lookup import agent_id, json_object, version_id
from server.cli.output import clean, short_time, table
from server.cli.session import Session, asks

app = typer.Typer(
    no_args_is_help=True, help="Agents, their versions, and which one is in force.", **LOOK
)

Agent = Annotated[str, typer.Argument(help="The agent's name or id.")]


@app.command("list")
@asks
async def list_(
    session: Session,
    search: Annotated[str, typer.Option(help="A part of the name or description.")] = "",
    status: Annotated[str, typer.Option(help="active or archived.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100, help="Rows.")] = 20,
) -> None:
    """List agents."""
    query: dict[str, Any] = {"search": search, "status": status, "limit": limit}
    reply = await session.api.get("/agents", query)
    rows = [
        (each["id"], each["name"], each["status"], _label(each), short_time(each["created_at"]),
         each["description"])
        for each in reply.data
    ]  # fmt: skip
    columns = ("id", "name", "status", "version", "created (UTC)", "description")
    session.show(reply, table("", columns, rows))


def _label(agent: dict[str, Any]) -> str:
    current = agent["current_version"]
    return "" if current is None else str(current["version"])


@app.command()
@asks
async def create(
    session: Session,
    name: Annotated[str, typer.Argument(help="Unique in the workspace.")],
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    type_: Annotated[str, typer.Option("--type", help="simple, chain, workflow, ...")] = "agent",
) -> None:
    """Make an agent known."""
    body = {"name": name, "description": description, "type": type_}
    reply = await session.api.post("/agents", body)
    session.show(reply, clean(reply.data["id"]))


@app.command("add-version")
@asks
async def add_version(
    session: Session,
    agent: Agent,
    *,
    version: Annotated[str, typer.Option(help="Its label, for example 2.")],
    config: Annotated[str, typer.Option(help="A JSON object, @FILE, or - for stdin.")] = "{}",
    input_schema: Annotated[str, typer.Option(help="The same: JSON Schema 2020-12.")] = "{}",
    message: Annotated[str, typer.Option(help="What changed.")] = "",
    promote: Annotated[bool, typer.Option("--promote", help="Put it in force at once.")] = False,
) -> None:
    """Add a version to an agent. It never changes afterwards.

    Example:
      execution-ledger agents add-version refund --version 2 --input-schema @schema.json
    """
    body = {
        "version": version,
        "config": json_object(config, "--config"),
        "input_schema": json_object(input_schema, "--input-schema"),
        "message": message,
        "set_current": promote,
    }
    id_ = await agent_id(session.api, agent)
    reply = await session.api.post(f"/agents/{id_}/versions", body)
    session.show(reply, clean(reply.data["id"]))


@app.command()
@asks
async def promote(
    session: Session,
    agent: Agent,
    version: Annotated[str, typer.Argument(help="The version's label or id.")],
) -> None:
    """Put a version in force."""
    id_ = await agent_id(session.api, agent)
    wanted = await version_id(session.api, id_, version)
    reply = await session.api.post(f"/agents/{id_}/versions/{wanted}/promote")
    session.show(reply, f"version {clean(reply.data['version'])} is in force")
