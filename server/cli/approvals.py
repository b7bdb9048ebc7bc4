"""`execution-ledger approvals`: what waits for a human, and the human's answer."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from ledger.strict_json import encode
from server.cli.frames import short
from server.cli.help import LOOK
from server.cli.lookup import json_object
from server.cli.output import clean, coloured, short_time, table
from server.cli.session import Session, asks

app = typer.Typer(
    no_args_is_help=True, help="See what waits for a human, approve, reject, edit.", **LOOK
)

Id = Annotated[str, typer.Argument(help="The approval's id.", metavar="ID")]
Reason = Annotated[str | None, typer.Option(help="Why; kept in the history.")]
Digest = Annotated[
    str | None,
    typer.Option(help="Of the payload that was looked at; refused when another one waits."),
]


@app.command("list")
@asks
async def list_(
    session: Session,
    status: Annotated[
        str,
        typer.Option(
            help="pending, approved, rejected, superseded, expired, cancelled; `all` for every one."
        ),
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
            each["decided_by_name"] or each["decided_by"],
            short(each["payload"]),
        )
        for each in reply.data
    ]
    columns = ("id", "execution", "checkpoint", "status", "asked (UTC)", "by", "shown")
    session.show(reply, table("", columns, rows))


@app.command()
@asks
async def show(session: Session, approval_id: Id) -> None:
    """Show one request: all that is to be decided on, its digest, and what came of it."""
    reply = await session.api.get(f"/approvals/{approval_id}")
    session.show(reply, table("", ("field", "value"), _fields(reply.data)))


def _fields(approval: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    for name, value in approval.items():
        if name == "status":
            yield name, coloured(value)
        elif value is not None:
            yield name, encode(value).decode() if isinstance(value, dict | bool) else value


@app.command()
@asks
async def approve(
    session: Session, approval_id: Id, reason: Reason = None, digest: Digest = None
) -> None:
    """Say yes: the run goes on.

    Examples:
      execution-ledger approvals approve ID --reason "checked with the customer"
      execution-ledger approvals approve ID --digest sha256:0f3c...
    """
    await _decide(session, approval_id, "approved", reason, digest)


@app.command()
@asks
async def reject(
    session: Session, approval_id: Id, reason: Reason = None, digest: Digest = None
) -> None:
    """Say no: the run is over, or goes on without the yes where it asked for that."""
    await _decide(session, approval_id, "rejected", reason, digest)


@app.command()
@asks
async def supersede(
    session: Session,
    approval_id: Id,
    payload: Annotated[
        str, typer.Option(help="What is to be decided on instead: JSON, @FILE, or - for stdin.")
    ],
    reason: Reason = None,
) -> None:
    """Edit what is to be decided on: a new request takes the place of the old one.

    Example:
      execution-ledger approvals supersede ID --payload '{"amount_usd": "12.00"}'
    """
    body = {"payload": json_object(payload, "--payload"), "reason": reason}
    reply = await session.api.post(f"/approvals/{approval_id}/supersede", body)
    session.show(reply, f"{reply.data['id']} takes the place of {approval_id}")


async def _decide(
    session: Session, id_: str, decision: str, reason: str | None, digest: str | None
) -> None:
    body = {"decision": decision, "reason": reason, "payload_digest": digest}
    reply = await session.api.post(f"/approvals/{id_}/decide", body)
    by = reply.data["decided_by_name"] or reply.data["decided_by"]
    session.show(reply, f"{id_} is {reply.data['status']}, by {clean(by)}")
