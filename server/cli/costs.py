"""`execution-ledger costs`: what was spent, on what."""

from typing import Annotated, Any

import typer

from server.cli.output import money, table
from server.cli.session import Session, asks

_MEASURES = ("executions", "total_tokens", "unpriced_tokens", "cost", "cost_usd")


@asks
async def costs(
    session: Session,
    by: Annotated[
        str, typer.Option(help="Any of agent, model, user, session, day, metadata.KEY; by commas.")
    ] = "",
    from_: Annotated[str, typer.Option("--from", help="The first day, YYYY-MM-DD, UTC.")] = "",
    to: Annotated[str, typer.Option(help="The last day.")] = "",
) -> None:
    """Show what was spent: per day, or grouped.

    Unpriced tokens are those whose cost nobody knows; they are never counted as free.

    Examples:
      execution-ledger costs --from 2026-11-01 --to 2026-11-30
      execution-ledger costs --by agent,model
      execution-ledger costs --by metadata.tier --json
    """
    period: dict[str, Any] = {"from": from_, "to": to}
    if by:
        await _grouped(session, by, period)
    else:
        await _per_day(session, period)


async def _per_day(session: Session, period: dict[str, Any]) -> None:
    reply = await session.api.get("/costs/summary", period)
    total = reply.data
    rows = [
        (day["date"], day["executions"], day["tokens"], money(day["cost_usd"]))
        for day in total["daily_costs"]
    ]
    whole = (
        "total", total["total_executions"], total["total_tokens"], money(total["total_cost_usd"])
    )  # fmt: skip
    unpriced = f"{total['unpriced_tokens']} tokens have no known price"
    columns = ("day", ">executions", ">tokens", ">cost")
    session.show(reply, table("", columns, [*rows, whole]), unpriced)


async def _grouped(session: Session, by: str, period: dict[str, Any]) -> None:
    days = {"created_after": _start(period["from"]), "created_before": _end(period["to"])}
    reply = await session.api.get("/costs", {"group_by": by, **days})
    groups = [name for name in (reply.data[0] if reply.data else {}) if name not in _MEASURES]
    columns = (*groups, ">executions", ">tokens", ">unpriced", ">cost")
    rows = [
        (
            *(row[name] for name in groups),
            row["executions"],
            row["total_tokens"],
            row["unpriced_tokens"],
            money(row["cost_usd"]),
        )
        for row in reply.data
    ]
    session.show(reply, table("", columns, rows))


def _start(day: str) -> str:
    return f"{day}T00:00:00Z" if day else ""


def _end(day: str) -> str:
    return f"{day}T23:59:59.999999Z" if day else ""
