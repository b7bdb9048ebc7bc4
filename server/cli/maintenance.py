"""`execution-ledger rebuild` and `check`: the views are made of the log, and must agree with it."""

from typing import Annotated

import typer

from projections.catalog import ALL
from projections.check import CheckFailed, Difference
from projections.check import check as check_views
from projections.rebuild import RebuildAbandoned
from server.cli.failures import USAGE, CommandFailed, leave
from server.cli.offline import opened
from server.cli.output import clean, print_json, say
from server.cli.progress import progress
from server.collector import calm_collector
from server.log_check import check_log

Database = Annotated[
    str,
    typer.Option(
        metavar="URL", help="sqlite:///PATH or postgresql://...; by default LEDGER_DATABASE."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for tools.")]


def rebuild(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[VIEW]...", help="Which views; none is all.")
    ] = None,
    database: Database = "",
) -> None:
    """Build the read models anew from the log. On SQLite no server may be running.

    Examples:
      execution-ledger rebuild
      execution-ledger rebuild executions costs --database sqlite:///ledger.db
    """
    try:
        _rebuild(names or [], database)
    except CommandFailed as failure:
        leave(failure)


def _rebuild(names: list[str], database: str) -> None:
    known = [each.name for each in ALL]
    for name in names:
        if name not in known:
            message = f"there is no view {name!r}; there are {', '.join(known)}"
            raise CommandFailed(message, USAGE)
    calm_collector()
    with opened(database) as offline, progress("rebuilding") as advance:
        try:
            offline.catch_up.rebuild(names, advance)
        except RebuildAbandoned:
            message = "another rebuild of these views was begun meanwhile; that one goes on"
            raise CommandFailed(message) from None
    say(f"rebuilt {', '.join(names or known)}")


def check(database: Database = "", *, as_json: AsJson = False) -> None:
    """Check that the log is whole and the read models say what it says.

    On SQLite no server may be running.

    Exits with 1 when they do not; `execution-ledger rebuild` repairs the read models.
    """
    try:
        problems = _problems(database)
    except CommandFailed as failure:
        leave(failure)
    if as_json:
        print_json({"data": {"consistent": not problems, "problems": problems}})
    else:
        say(*problems, *(["the log is whole, and the views agree with it"] if not problems else []))
    if problems:
        leave(CommandFailed(f"{len(problems)} of the ledger's rows or events are wrong"))


def _problems(database: str) -> list[str]:
    with opened(database) as offline:
        with progress("reading the log") as advance:
            problems = check_log(offline.ledger, advance)
        offline.catch_up_now()
        problems += [
            f"{parked.projection}: event at {parked.position} is parked: {parked.error}"
            for parked in offline.catch_up.parked()
        ]
        with progress("comparing views") as advance:
            try:
                differences = check_views(offline.views, ALL, offline.ledger, advance=advance)
            except CheckFailed as error:
                return [*problems, str(error)]
    return problems + [_told(each) for each in differences]


def _told(difference: Difference) -> str:
    key = ", ".join(clean(each) for each in difference.key)
    where = f"{difference.table} ({key})"
    if difference.live is None:
        return f"{where}: missing"
    if difference.fresh is None:
        return f"{where}: should not be there"
    wrong = [name for name in difference.live if difference.live[name] != difference.fresh[name]]
    has = ", ".join(f"{name} = {difference.live[name]!r}" for name in wrong)
    should = ", ".join(f"{name} = {difference.fresh[name]!r}" for name in wrong)
    return clean(f"{where}: has {has}; should have {should}")
