"""`execution-ledger migrate`: a ledger goes from SQLite to PostgreSQL, or back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from ledger.database import exists, is_known, open_store, shown
from ledger.errors import DatabaseInUse, StoreFailed
from ledger.migration import Moved, OtherLedger, move
from ledger.store import Store
from server.cli.failures import USAGE, CommandFailed, leave
from server.cli.maintenance import AsJson
from server.cli.output import print_json, say
from server.cli.progress import progress

Url = Annotated[str, typer.Argument(metavar="URL", help="sqlite:///PATH or postgresql://...")]


def migrate(source: Url, target: Url, *, as_json: AsJson = False) -> None:
    """Copy a ledger into another database. No server may be running on either.

    Every event arrives as the same bytes at the same position; in the end both are read and
    compared. What is broken off goes on where it was when it is run again. The source stays as it
    is; the read models are made anew when a server starts on the target.

    Examples:
      execution-ledger migrate sqlite:///ledger.db postgresql://ledger@db/ledger
      execution-ledger migrate postgresql://ledger@db/ledger sqlite:///copy.db
    """
    try:
        moved = _migrate(source, target)
    except CommandFailed as failure:
        leave(failure)
    if as_json:
        print_json({"data": moved._asdict()})
        return
    say(
        f"{moved.events} events are in both, {moved.copied} of them copied now; "
        f"sha256 {moved.digest}",
        "Serve it: execution-ledger serve --database URL, with the target's URL as you gave it",
    )


def _migrate(source: str, target: str) -> Moved:
    for url in (source, target):
        if not is_known(url):
            message = f"{shown(url)!r} is neither sqlite:///PATH nor postgresql://HOST/NAME"
            raise CommandFailed(message, USAGE)
    if source == target:
        message = "source and target are the same"
        raise CommandFailed(message, USAGE)
    with _opened(source, must_exist=True) as old, _opened(target, must_exist=False) as new:
        try:
            with progress("copying, then comparing") as advance:
                return move(old, new, advance)
        except (OtherLedger, StoreFailed) as error:
            raise CommandFailed(str(error)) from None


@contextmanager
def _opened(url: str, *, must_exist: bool) -> Iterator[Store]:
    try:
        if must_exist and not exists(url):
            message = f"there is no ledger at {shown(url)}"
            raise CommandFailed(message)
        store = open_store(url, "full", alone=True)
    except DatabaseInUse:
        message = f"{shown(url)} is in use; stop the server that serves it first"
        raise CommandFailed(message) from None
    except (OSError, StoreFailed) as error:
        message = f"cannot open {shown(url)}: {error}"
        raise CommandFailed(message) from None
    try:
        yield store
    finally:
        store.close()
