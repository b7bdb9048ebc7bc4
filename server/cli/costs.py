"""`execution-ledger costs`: what was spent, on what."""

from typing import Annotated, Any

import typer

from server.cli.failures import USAGE, CommandFailed
from server.cli.lookup import agent_id, agent_names, pairs
from server.cli.output import money, print_bytes, table
from server.cli.period import FirstDay, LastDay
from server.cli.session import Session, asks


@asks
async def costs(
    session: Session,
    *,
    by: Annotated[
        str,
        typer.Option(
            help="Any of agent, version, model, provider, user, session, status, day, hour, "
            "metadata.KEY; by commas."
        ),
    ] = "",
    from_: FirstDay = "",
    to: LastDay = "",
    agent: Annotated[str, typer.Option(help="Of this agent; a name or an id.")] = "",
    where: Annotated[
        list[str] | None, typer.Option(help="A filter of executions, KEY=VALUE; may be repeated.")
    ] = None,
    inclusive: Annotated[
        bool, typer.Option("--inclusive", help="With all below each execution at the top.")
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="As CSV, of any length.")] = False,
    focus: Annotated[
        bool, typer.Option("--focus", help="As charges of FOCUS 1.2, in CSV.")
    ] = False,
) -> None:
    """Show what was spent: per day, or grouped.

    Unpriced tokens are those whose cost nobody knows; they are never counted as free.

    Examples:
      execution-ledger costs --from 2026-11-01 --to 2026-11-30
      execution-ledger costs --by agent,model --where status=failed
      execution-ledger costs --by metadata.tier --inclusive --json
      execution-ledger costs --by agent,day --csv > costs.csv
      execution-ledger costs --by metadata.team --focus > focus.csv
    """
    if csv + focus + session.as_json > 1:
        message = "--csv, --focus and --json: choose one"
        raise CommandFailed(message, USAGE)
    query: dict[str, Any] = {"from": from_, "to": to, **pairs(where or (), "--where")}
    if agent:
        query["agent_id"] = await agent_id(session.api, agent)
    if inclusive:
        query["scope"] = "inclusive"
    if csv or focus:
        query |= {"group_by": by or "day", "format": "focus" if focus else "csv"}
        async for chunk in session.api.stream("/costs", query):
            print_bytes(chunk)
    elif by or where or inclusive or agent:
        await _grouped(session, query | {"group_by": by or "day"})
    else:
        await _per_day(session, query)


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


async def _grouped(session: Session, query: dict[str, Any]) -> None:
    reply = await session.api.get("/costs", query)
    groups = [name.strip() for name in query["group_by"].split(",") if name.strip()]
    cost = "inclusive_cost" if "scope" in query else "cost"
    named = {"executions": "executions", "tokens": "total_tokens", "unpriced": "unpriced_tokens"}
    keys = [each for name in groups for each in ((name, "name") if name == "agent" else (name,))]
    columns = (*keys, *(f">{name}" for name in named), f">{cost.replace('_', ' ')}")
    if session.as_json:
        session.show(reply)
        return
    if "agent" in groups:
        names = await agent_names(session.api, {row["agent"] for row in reply.data})
        for row in reply.data:
            row["name"] = names.get(row["agent"], "")
    rows = [
        (
            *(row[name] for name in keys),
            *(row[name] for name in named.values()),
            money(row[f"{cost}_usd"]),
        )
        for row in reply.data
    ]
    session.show(reply, table("", columns, rows))
