"""`execution-ledger executions`: find, look at, watch, replay, stop."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.text import Text
from rich.tree import Tree

from server.cli.connection import Reply
from server.cli.failures import UNREACHABLE, CommandFailed
from server.cli.following import follow, stream_of
from server.cli.frames import frames_of, print_frame, printed, short
from server.cli.help import LOOK
from server.cli.lookup import agent_id, end_of, json_object, moment, pairs
from server.cli.output import (
    clean,
    coloured,
    cost_of,
    money,
    seconds,
    short_time,
    table,
    warn,
)
from server.cli.period import Since, Until
from server.cli.session import Session, asks

app = typer.Typer(
    no_args_is_help=True, help="Find executions, look at them, watch, replay, stop them.", **LOOK
)

Id = Annotated[str, typer.Argument(help="The execution's id.", metavar="ID")]


@app.command("list")
@asks
async def list_(
    session: Session,
    *,
    status: Annotated[str, typer.Option(help="One or several, by commas.")] = "",
    agent: Annotated[str, typer.Option(help="The agent's name or id.")] = "",
    session_id: Annotated[str, typer.Option(help="The session's id.")] = "",
    user_id: Annotated[str, typer.Option(help="The user's id.")] = "",
    model: Annotated[str, typer.Option(help="A model that was used.")] = "",
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Repeat for several.")
    ] = None,
    since: Since = "",
    until: Until = "",
    min_cost: Annotated[str, typer.Option(help="In US dollars.")] = "",
    sort: Annotated[str, typer.Option(help="For example -cost or duration_ms.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100, help="Rows.")] = 20,
    cursor: Annotated[str, typer.Option(help="The next_cursor of the page before.")] = "",
) -> None:
    """List executions, newest first.

    Examples:
      execution-ledger executions list --status failed,rejected
      execution-ledger executions list --agent refund --metadata tier=gold
      execution-ledger executions list --sort=-cost --limit 5
      execution-ledger executions list --json | jq -r '.data[].id'
    """
    query: dict[str, Any] = {
        "status": status,
        "agent_id": await agent_id(session.api, agent) if agent else "",
        "session_id": session_id,
        "user_id": user_id,
        "model": model,
        "created_after": moment(since),
        "created_before": end_of(until),
        "min_cost": min_cost,
        "sort": sort,
        "limit": limit,
        "cursor": cursor,
    }
    labels = pairs(metadata or (), "--metadata")
    query |= {f"metadata.{name}": value for name, value in labels.items()}
    reply = await session.api.get("/executions", query)
    session.show(reply, executions_table(reply.data), _more(reply))


def executions_table(executions: Iterable[dict[str, Any]]) -> Any:
    """Executions as a table."""
    return table(
        "",
        ("id", "agent", "status", "created (UTC)", ">took", ">tokens", ">cost"),
        (
            (
                each["id"],
                each["agent_name"],
                coloured(each["status"]),
                short_time(each["created_at"]),
                seconds(each["duration_ms"]),
                each["total_tokens"],
                cost_of(each),
            )
            for each in executions
        ),
    )


def _more(reply: Reply) -> Text:
    meta = reply.body["meta"]
    about = "about " if meta.get("total_is_estimate") else ""
    said = f"{len(reply.data)} of {about}{meta['total']}"
    if meta["has_more"]:
        said += f"; for more: --cursor {meta['next_cursor']}"
    return Text(said, style="dim")


@app.command()
@asks
async def show(
    session: Session,
    execution_id: Id,
    at: Annotated[int | None, typer.Option(min=1, help="As it was after this event.")] = None,
) -> None:
    """Show one execution, as it is or as it was after one of its events."""
    reply = await session.api.get(f"/executions/{execution_id}", {"at": at})
    session.show(reply, table("", ("field", "value"), _fields(reply.data)))


def _fields(execution: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, value in execution.items():
        if name in {"execution_id", "is_terminal", "cost"} or value in (None, "", {}):
            continue
        if name == "status":
            yield name, coloured(value)
        else:
            yield name, value if isinstance(value, str | int) else short(value)


@app.command()
@asks
async def tree(session: Session, execution_id: Id) -> None:
    """Show an execution and all below it, as a tree, with what each cost by itself.

    The last line is what all of it cost.
    """
    reply = await session.api.get(f"/executions/{execution_id}/tree")
    whole = f"with all below: {money(reply.data['inclusive_cost_usd'])}"
    session.show(reply, _branch(reply.data), Text(whole, style="dim"))


def _branch(execution: dict[str, Any], above: Tree | None = None) -> Tree:
    facts = (
        (execution["agent_name"], "bold"),
        f" {execution['id']} ",
        coloured(execution["status"]),
        f" {seconds(execution['duration_ms'])} {cost_of(execution)}",
    )
    line = Text.assemble(*((clean(each) if isinstance(each, str) else each) for each in facts))
    branch = Tree(line) if above is None else above.add(line)
    for child in execution["children"]:
        _branch(child, branch)
    return branch


@app.command()
@asks
async def events(
    session: Session,
    execution_id: Id,
    after: Annotated[int, typer.Option(min=0, help="Only those after this sequence.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 1000,
    type_: Annotated[str, typer.Option("--type", help="Only these types, by commas.")] = "",
) -> None:
    """List what was recorded, event by event: the audit history.

    What an event says is cut off where it is long; with --json it is whole.

    Examples:
      execution-ledger executions events ID
      execution-ledger executions events ID --type approval_requested,approved,rejected
    """
    query: dict[str, Any] = {"after": after, "limit": limit, "type": type_}
    reply = await session.api.get(f"/executions/{execution_id}/events", query)
    columns = (">#", "at (UTC)", "type", "by", "data")
    rows = (
        (each["sequence"], each["at"][:23].replace("T", " "), each["type"], _by(each["actor"]),
         short(each["data"]))
        for each in reply.data
    )  # fmt: skip
    session.show(reply, table("", columns, rows))


def _by(actor: dict[str, Any]) -> str:
    return f"{actor['type']} {actor.get('name') or actor['id']}"


@app.command()
@asks
async def execute(
    session: Session,
    agent: Annotated[str, typer.Argument(help="The agent's name or id.")],
    input_: Annotated[
        str, typer.Option("--input", help="A JSON object, @FILE, or - for stdin.")
    ] = "{}",
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Repeat for several.")
    ] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the end.")] = False,
) -> None:
    """Ask for a run of an agent, and wait for its end or its pause, at most 25 seconds.

    Exits with 1 when it failed, or was cancelled or rejected.

    Example:
      execution-ledger executions execute refund --input @request.json
    """
    body = {
        "input": json_object(input_, "--input"),
        "metadata": pairs(metadata or (), "--metadata"),
        "async_mode": no_wait,
    }
    id_ = await agent_id(session.api, agent)
    reply = await session.api.post(f"/agents/{id_}/execute", body)
    session.show(reply, table("", ("field", "value"), _fields(reply.data)))
    status = reply.data["status"]
    if status in {"failed", "cancelled", "rejected"}:
        message = f"execution {reply.data['id']} {status}"
        raise CommandFailed(message)
    if status == "pending" and not no_wait:
        warn(f"nobody took it up yet; is there a worker for {agent}? `executions watch` follows it")


@app.command()
@asks
async def watch(
    session: Session,
    execution_id: Id,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds in which a server that went away may come back.")
    ] = 60,
    raw: Annotated[
        bool, typer.Option("--raw", help="Print the exact bytes of one connection.")
    ] = False,
) -> None:
    """Watch an execution: what it did so far, then live, to its end, whatever server restarts.

    Exits with 1 when it failed, or was cancelled or rejected, and with 3 when the server went away
    for good before it ended.
    """
    if raw:
        frames = frames_of(printed(session.api.stream(*stream_of(execution_id))))
    else:
        frames = follow(session.api, execution_id, patience)
    last = None
    async for last in frames:
        if not raw:
            print_frame(last, as_json=session.as_json)
    if last is None or not last.is_last:
        message = f"the stream ended before execution {execution_id} did; watch it again"
        raise CommandFailed(message, UNREACHABLE)
    if last.name == "error":
        message = f"execution {execution_id} {last.data['status']}"
        raise CommandFailed(message)


@app.command()
@asks
async def replay(
    session: Session,
    execution_id: Id,
    speed: Annotated[
        float, typer.Option(min=0, help="0 at once, 1 as it was, 10 ten times faster.")
    ] = 0,
    after: Annotated[int, typer.Option(min=0, help="Only frames after this sequence.")] = 0,
    until: Annotated[int | None, typer.Option(min=1, help="End after this sequence.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Print the exact bytes.")] = False,
) -> None:
    """Replay an execution, frame by frame, as it was streamed.

    Examples:
      execution-ledger executions replay ID --speed 1
      execution-ledger executions replay ID --raw > run.sse
    """
    query: dict[str, Any] = {"speed": speed, "starting_after": after, "until": until}
    stream = session.api.stream(f"/executions/{execution_id}/replay", query)
    async for frame in frames_of(printed(stream) if raw else stream):
        if not raw:
            print_frame(frame, as_json=session.as_json)


@app.command()
@asks
async def cancel(
    session: Session,
    execution_id: Id,
    reason: Annotated[str | None, typer.Option(help="Why; kept in the history.")] = None,
) -> None:
    """Stop an execution. One that ended already stays as it is."""
    reply = await session.api.post(f"/executions/{execution_id}/cancel", {"reason": reason})
    status = clean(reply.data["status"])
    said = status if reply.data["is_terminal"] else f"{status}, cancellation requested"
    session.show(reply, f"{execution_id} is {said}")
