"""`execution-ledger prices`: what models cost here, and of which nobody knows it."""

from typing import Annotated, Any

import typer

from server.cli.help import LOOK
from server.cli.lookup import moment
from server.cli.output import short_time, table
from server.cli.session import Session, asks

app = typer.Typer(no_args_is_help=True, help="Prices: list, set, end, unknown.", **LOOK)

_COLUMNS = ("id", "model", ">input", ">output", ">cached", ">cache write", "from", "until")


@app.command("list")
@asks
async def list_(
    session: Session,
    model: Annotated[str, typer.Option(help="Only of this model.")] = "",
) -> None:
    """List the prices that the workspace states, in US dollars per million tokens.

    They go before LEDGER_PRICES, and these before the price list that comes with the server.
    """
    reply = await session.api.get("/prices", {"limit": 100, "model": model})
    session.show(reply, table("", _COLUMNS, [_row(price) for price in reply.data]))


@app.command("set")
@asks
async def set_(
    session: Session,
    model: Annotated[str, typer.Argument(help="As usage reports name it.")],
    *,
    input_: Annotated[
        str,
        typer.Option("--input", metavar="USD", help="For a million tokens of the prompt."),
    ],
    output: Annotated[str, typer.Option(metavar="USD", help="For a million of the completion.")],
    cached_input: Annotated[
        str,
        typer.Option(metavar="USD", help="For a million read from a cache; by default as --input."),
    ] = "",
    cache_creation: Annotated[
        str,
        typer.Option(metavar="USD", help="For a million put into a cache; by default as --input."),
    ] = "",
    valid_from: Annotated[
        str,
        typer.Option(
            "--from",
            "--since",
            metavar="DAY|TIME",
            help="It holds from then on; a day is its beginning.",
        ),
    ] = "",
    valid_until: Annotated[
        str,
        typer.Option(
            "--until",
            "--to",
            metavar="DAY|TIME",
            help="It holds to the end of this day, or to this time.",
        ),
    ] = "",
    note: Annotated[str, typer.Option(help="Why; kept in the history.")] = "",
) -> None:
    """State what a model costs, in US dollars for a million tokens.

    It counts for usage that is recorded from now on. What was recorded before keeps its cost, until
    `execution-ledger reprice` prices it anew. Without --from the first price of a model holds for
    all the past too, and a later one from now on.

    Examples:
      execution-ledger prices set my-model --input 0.50 --output 2
      execution-ledger prices set my-model --input 0.40 --output 1.60 --from 2026-12-01
    """
    given: dict[str, Any] = {
        "model": model,
        "input": input_,
        "output": output,
        "cached_input": cached_input,
        "cache_creation": cache_creation,
        "valid_from": moment(valid_from),
        "valid_until": moment(valid_until),
        "note": note,
    }
    body = {name: value for name, value in given.items() if value}
    reply = await session.api.post("/prices", body)
    session.show(reply, table("", _COLUMNS, [_row(reply.data)]))


@app.command()
@asks
async def end(
    session: Session,
    price_id: Annotated[str, typer.Argument(help="The price's id.", metavar="ID")],
    until: Annotated[
        str,
        typer.Option(
            "--until",
            "--to",
            metavar="DAY|TIME",
            help="It holds until then; by default until now.",
        ),
    ] = "",
) -> None:
    """Have a price hold no more. What was computed by it stays."""
    body = {"valid_until": moment(until)} if until else {}
    reply = await session.api.post(f"/prices/{price_id}/end", body)
    session.show(reply, table("", _COLUMNS, [_row(reply.data)]))


@app.command()
@asks
async def unknown(session: Session) -> None:
    """Show the models that were called and have no price, most tokens first."""
    reply = await session.api.get("/prices/unknown")
    rows = [
        (each["model"], each["unpriced_tokens"], each["first_day"], each["last_day"])
        for each in reply.data
    ]
    columns = ("model", ">unpriced tokens", "first day", "last day")
    session.show(reply, table("", columns, rows))


def _row(price: dict[str, Any]) -> tuple[Any, ...]:
    return (
        price["id"],
        price["model"],
        price["input"],
        price["output"],
        price["cached_input"] or "",
        price["cache_creation"] or "",
        short_time(price["valid_from"]) if price["valid_from"] else "ever",
        short_time(price["valid_until"]) if price["valid_until"] else "",
    )
