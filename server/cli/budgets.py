"""`execution-ledger budgets`: what may be spent in a day."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from ledger.standing_budgets import Scope
from server.cli.connection import Reply
from server.cli.help import LOOK
from server.cli.lookup import agent_id, agent_names
from server.cli.output import clean, money, print_json, say, table
from server.cli.session import Session, asks

app = typer.Typer(no_args_is_help=True, help="Budgets of days: list, set, end.", **LOOK)

Budget = dict[str, Any]

_COLUMNS = ("id", "of", "who", ">limit", ">used today", ">remains", "note")


@app.command("list")
@asks
async def list_(session: Session) -> None:
    """List the budgets in force, with what is used today and what remains.

    A day is from midnight to midnight in UTC. Of a budget that each agent or user has, the figures
    are those of who used most of it.
    """
    reply = await session.api.get("/budgets", {"limit": 100})
    await _show(session, reply, reply.data)


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
    _check(of, agent, user_id, max_cost or max_tokens)
    given: dict[str, Any] = {
        "agent_id": await agent_id(session.api, agent) if agent else "",
        "user_id": user_id,
        "max_cost": max_cost,
        "max_total_tokens": int(max_tokens) if max_tokens.isdecimal() else max_tokens,
        "note": note,
    }
    body = {"scope": of, **{name: value for name, value in given.items() if value != ""}}
    reply = await session.api.post("/budgets", body)
    await _show(session, reply, [reply.data])


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


def _check(of: Scope, agent: str, user_id: str, limit: str) -> None:
    """Raises BadParameter for options that do not go together."""
    for option, value, needed in (("--agent", agent, "agent"), ("--user-id", user_id, "user")):
        if value and of != needed:
            message = f"add --of {needed}"
            raise typer.BadParameter(message, param_hint=option)
    if not limit:
        hint = "--max-cost, --max-tokens"
        raise typer.BadParameter("give at least one of them", param_hint=hint)


async def _show(session: Session, reply: Reply, budgets: Sequence[Budget]) -> None:
    names: dict[str, str] = {}
    if not session.as_json:
        of_agents = [budget for budget in budgets if budget["scope"] == "agent"]
        names = await agent_names(session.api, filter(None, map(_spender, of_agents)))
    session.show(reply, table("", _COLUMNS, [_row(budget, names) for budget in budgets]))


def _row(budget: Budget, names: Mapping[str, str]) -> tuple[Any, ...]:
    today = budget["today"] or {}
    limits = {"cost": budget["max_cost"], "total_tokens": budget["max_total_tokens"]}
    sides = (limits, today.get("used", {}), today.get("remaining", {}))
    amounts = (_amounts(limits, side) for side in sides)
    return budget["id"], budget["scope"], _who(budget, names), *amounts, budget["note"]


def _who(budget: Budget, names: Mapping[str, str]) -> str:
    spender = _spender(budget)
    shown = names.get(spender, spender)
    if _only(budget) or budget["scope"] == "workspace":
        return shown
    return f"each; most: {shown}" if shown else "each"


def _only(budget: Budget) -> str:
    """The one agent or user whose budget it is; empty if each has it."""
    return budget["agent_id"] or budget["user_id"] or ""


def _spender(budget: Budget) -> str:
    """Whose figures are shown; empty for all of the workspace, or when nobody used any."""
    return _only(budget) or (budget["today"] or {}).get("spender") or ""


def _amounts(limits: dict[str, Any], side: dict[str, Any]) -> str:
    """The money, the tokens, or both, on lines of their own."""
    shown = []
    if limits["cost"] is not None and "cost" in side:
        shown.append(money(side["cost"]))
    if limits["total_tokens"] is not None and "total_tokens" in side:
        shown.append(f"{side['total_tokens']} tokens")
    return "\n".join(shown)
