"""`execution-ledger reprice`: what was spent, priced anew on purpose."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any

import typer

from projections.money import decimal_text
from server.cli.lookup import agent_id, end_of, moment, pairs
from server.cli.output import clean, money, print_json, say, table
from server.cli.period import Since, Until
from server.cli.progress import progress
from server.cli.session import Session, asks

_EXECUTIONS_AT_ONCE = 100
_COLUMNS = ("agent", "model", ">calls", ">newly priced tokens", ">before", ">now", ">difference")

Json = dict[str, Any]


@asks
async def reprice(
    session: Session,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show, and record nothing.")] = False,
    reason: Annotated[
        str, typer.Option(help="Why; kept with each new price. Needed unless --dry-run.")
    ] = "",
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
) -> None:
    """Price anew what was spent, by the prices of the time of each call as they are stated now.

    A cost that the provider reported stays. The old cost stays in the history; lists and totals go
    by the newest. Without filters it is every execution of the workspace.

    Examples:
      execution-ledger reprice --model my-model --dry-run
      execution-ledger reprice --model my-model --since 2026-11-01 --reason "the contract came"
    """
    query: Json = {
        "status": status,
        "agent_id": await agent_id(session.api, agent) if agent else "",
        "session_id": session_id,
        "user_id": user_id,
        "model": model,
        "created_after": moment(since),
        "created_before": end_of(until),
        "limit": _EXECUTIONS_AT_ONCE,
    }
    query |= {
        f"metadata.{name}": text for name, text in pairs(metadata or (), "--metadata").items()
    }
    _show(session, await _all(session, query, {"dry_run": dry_run, "reason": reason}))


async def _all(session: Session, query: Json, body: Json) -> Json:
    """What all pages together come to."""
    told: Json = {"dry_run": body["dry_run"], "executions": 0, "repriced": 0, "too_busy": []}
    rows: dict[tuple[str, str], Json] = {}
    cursor: str | None = ""
    with progress("pricing") as advance:
        while cursor is not None:
            done = (
                await session.api.post("/prices/reprice", body, {**query, "cursor": cursor})
            ).data
            for name in ("executions", "repriced", "too_busy"):
                told[name] += done[name]
            _add(rows, done["differences"])
            cursor = done["next_cursor"]
            advance(told["executions"], max(done["total"], told["executions"]))
    return {**told, "differences": [rows[key] for key in sorted(rows)]}


def _add(rows: dict[tuple[str, str], Json], differences: Iterable[Json]) -> None:
    for each in differences:
        row = rows.setdefault(
            (each["agent_name"], each["model"]),
            {**each, "calls": 0, "newly_priced_tokens": 0, **dict.fromkeys(_AMOUNTS, "0")},
        )
        for name in ("calls", "newly_priced_tokens"):
            row[name] += each[name]
        for name in _AMOUNTS:
            row[name] = decimal_text(Decimal(row[name]) + Decimal(each[name]))


_AMOUNTS = ("previous_cost_usd", "cost_usd")


def _before(row: Json) -> str:
    """What was known before; where some of it was not, no sum is all of it."""
    known = money(row["previous_cost_usd"])
    if not row["newly_priced_tokens"]:
        return known
    return f"{known} + ?" if Decimal(row["previous_cost_usd"]) else "?"


def _show(session: Session, told: Json) -> None:
    if session.as_json:
        print_json({"data": told})
        return
    rows = [
        (
            each["agent_name"],
            each["model"],
            each["calls"],
            each["newly_priced_tokens"],
            _before(each),
            money(each["cost_usd"]),
            money(decimal_text(Decimal(each["cost_usd"]) - Decimal(each["previous_cost_usd"]))),
        )
        for each in told["differences"]
    ]
    if rows:
        say(table("", _COLUMNS, rows))
    verb = "would cost" if told["dry_run"] else "cost"
    say(f"{told['repriced']} of {told['executions']} executions {verb} something else now")
    for id_ in told["too_busy"]:
        say(f"left out, since it went on meanwhile: {clean(id_)}")
