"""`execution-ledger budgets`: what may be spent in a day."""

from typing import Annotated, Any

import typer

from ledger.standing_budgets import Scope
from server.cli.help import LOOK
from server.cli.lookup import agent_id
from server.cli.output import clean, money, print_json, say, table
from server.cli.session import Session, asks

app = typer.Typer(no_args_is_help=True, help="Budgets of days: list, set, end.", **LOOK)

_COLUMNS = ("id", "of", "who", ">cost", ">tokens", "note")


@app.command("list")
@asks
async def list_(session: Session) -> None:
    """List the budgets in force. A day is from midnight to midnight in UTC."""
    reply = await session.api.get("/budgets", {"limit": 100})
    session.show(reply, table("", _COLUMNS, [_row(budget) for budget in reply.data]))


@app.command("set")
@asks
async def set_(
    session: Session,
    *,
    of: Annotated[Scope, typer.Option(help="Who spends.")] = "workspace",
    agent: Annotated[str, typer.Option(help="With --of agent: its name or id; else each.")] = "",
    user_id: Annotated[str, typer.Option(help="With --of user: which; else each.")] = "",
    max_cost: Annotated[str, typer.Option(metavar="USD", help="US dollars in a day.")] = "",
    max_tokens: Annotated[str, typer.Option(metavar="N", help="Tokens in a day.")] = "",
    note: Annotated[str, typer.Option(help="Why; kept in the history.")] = "",
) -> None:
    """Set what may be spent in a day. A run fails at the usage that goes beyond it.

    Examples:
      execution-ledger budgets set --max-cost 50
      execution-ledger budgets set --of user --max-cost 2
      execution-ledger budgets set --of agent --agent refund --max-tokens 1000000
    """
    given: dict[str, Any] = {
        "agent_id": await agent_id(session.api, agent) if agent else "",
        "user_id": user_id,
        "max_cost": max_cost,
        "max_total_tokens": int(max_tokens) if max_tokens.isdecimal() else max_tokens,
        "note": note,
    }
    body = {"scope": of, **{name: value for name, value in given.items() if value != ""}}
    reply = await session.api.post("/budgets", body)
    session.show(reply, table("", _COLUMNS, [_row(reply.data)]))


@app.command()
@asks
async def end(
    session: Session,
    budget_id: Annotated[str, typer.Argument(help="The budget's id.", metavar="ID")],
) -> None:
    """Have a budget limit nothing any more."""
    await session.api.delete(f"/budgets/{budget_id}")
    if session.as_json:
        print_json({"data": {"id": budget_id, "ended": True}})
    else:
        say(f"budget {clean(budget_id)} limits nothing any more")


def _row(budget: dict[str, Any]) -> tuple[Any, ...]:
    key = budget["agent_id"] or budget["user_id"]
    who = key or ("" if budget["scope"] == "workspace" else "each")
    cost = "" if budget["max_cost"] is None else money(budget["max_cost"])
    tokens = "" if budget["max_total_tokens"] is None else budget["max_total_tokens"]
    return budget["id"], budget["scope"], who, cost, tokens, budget["note"]
