"""`execution-ledger approvals`: what waits for a human, and the human's answer."""

from typing import Annotated

import typer

from server.cli.frames import short
from server.cli.help import LOOK
from server.cli.output import coloured, short_time, table
from server.cli.session import Session, asks

app = typer.Typer(no_args_is_help=True, help="See what waits for a human, approve, reject.", **LOOK)

Id = Annotated[str, typer.Argument(help="The approval's id.", metavar="ID")]
Reason = Annotated[str | None, typer.Option(help="Why; kept in the history.")]


@app.command("list")
@asks
async def list_(
    session: Session,
    status: Annotated[
        str, typer.Option(help="pending, approved, rejected or expired; `all` for every one.")
    ] = "pending",
    limit: Annotated[int, typer.Option(min=1, max=100, help="Rows.")] = 20,
) -> None:
    """List requests for approval: those that wait, unless asked otherwise.

    Examples:
      execution-ledger approvals list
      execution-ledger approvals list --status approved --json
    """
    wanted = None if status == "all" else status
    reply = await session.api.get("/approvals", {"status": wanted, "limit": limit})
    rows = [
        (
            each["id"],
            each["execution_id"],
            each["checkpoint_name"],
            coloured(each["status"]),
            short_time(each["created_at"]),
            each["decided_by"],
            short(each["payload"]),
        )
        for each in reply.data
    ]
    columns = ("id", "execution", "checkpoint", "status", "asked (UTC)", "by", "shown")
    session.show(reply, table("", columns, rows))


@app.command()
@asks
async def approve(session: Session, approval_id: Id, reason: Reason = None) -> None:
    """Say yes: the run goes on.

    Example:
      execution-ledger approvals approve ID --reason "checked with the customer"
    """
    await _decide(session, approval_id, "approved", reason)


@app.command()
@asks
async def reject(session: Session, approval_id: Id, reason: Reason = None) -> None:
    """Say no: the run is over."""
    await _decide(session, approval_id, "rejected", reason)


async def _decide(session: Session, id_: str, decision: str, reason: str | None) -> None:
    body = {"decision": decision, "reason": reason}
    reply = await session.api.post(f"/approvals/{id_}/decide", body)
    session.show(reply, f"{id_} is {reply.data['status']}, by {reply.data['decided_by']}")
