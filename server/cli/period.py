"""From when to when: the same options, under either of their names, wherever a period is given."""

from typing import Annotated

import typer

Since = Annotated[
    str,
    typer.Option(
        "--since", "--from", metavar="DAY|TIME", help="Created since this day or time, in UTC."
    ),
]
Until = Annotated[
    str,
    typer.Option(
        "--until",
        "--to",
        metavar="DAY|TIME",
        help="Created until then: to the end of this day, or before this time.",
    ),
]
FirstDay = Annotated[
    str, typer.Option("--from", "--since", metavar="DAY", help="The first day, YYYY-MM-DD, UTC.")
]
LastDay = Annotated[
    str, typer.Option("--to", "--until", metavar="DAY", help="The last day, included.")
]
