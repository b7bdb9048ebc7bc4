"""The ledger's database without a server: for repairs, checks, and the first key."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from ledger.application import Ledger
from ledger.database import exists
from ledger.errors import DatabaseInUse, StoreFailed
from projections.catalog import ALL
from projections.catch_up import CatchUp
from projections.store import ViewStore
from server.cli.failures import USAGE, CommandFailed
from server.cli.output import warn
from server.settings import InvalidSettings, Settings, read_settings

_PATIENCE_SECONDS: Final = 30.0
"""Longer than it takes until another server's lease is over."""


class Offline(NamedTuple):
    """The ledger and its views, open."""

    ledger: Ledger
    views: ViewStore
    catch_up: CatchUp

    def catch_up_now(self) -> None:
        """Fold into the views whatever they lack, or wait for the server that does."""
        while self.catch_up.turn():
            pass
        if not self.catch_up.leads:
            self.catch_up.start()
            self.catch_up.wait_for(self.ledger.position, _PATIENCE_SECONDS)


def settings_for(**given: Any) -> Settings:
    """The settings of the environment, and what the command line says. Raises CommandFailed."""
    try:
        return read_settings(**{name: value for name, value in given.items() if value != ""})
    except InvalidSettings as error:
        raise CommandFailed(str(error), USAGE) from None


@contextmanager
def opened(database: str, *, must_exist: bool = True) -> Iterator[Offline]:
    """Open a ledger that no server is using.

    Raises:
        CommandFailed: there is none, it cannot be opened, or a server is using it.
    """
    settings = settings_for(database=database)
    with _ledger(settings, must_exist=must_exist) as ledger:
        views = ViewStore.open(settings.views)
        catch_up = CatchUp(views, ALL, ledger)
        try:
            yield Offline(ledger, views, catch_up)
        finally:
            catch_up.stop()
            views.close()


def _ledger(settings: Settings, *, must_exist: bool) -> Ledger:
    try:
        is_new = not exists(settings.database)
        if must_exist and is_new:
            message = f"there is no ledger at {settings.place}"
            raise CommandFailed(message)
        ledger = Ledger(settings.database, durability=settings.durability)
    except DatabaseInUse:
        message = f"{settings.place} is in use; stop the server that serves it first"
        raise CommandFailed(message) from None
    except OSError as error:
        message = f"cannot open {settings.place}: {error.strerror or error}"
        raise CommandFailed(message) from None
    except StoreFailed as error:
        message = f"cannot open {settings.place}: {error}"
        raise CommandFailed(message) from None
    if is_new:
        warn(f"there was no ledger at {settings.place}; a new one was made")
    return ledger
