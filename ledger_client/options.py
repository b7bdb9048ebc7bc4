"""Which server, on whose behalf, and how patiently: read once, when a client is made."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ledger_client.seen import Seen

PREFIX: Final = "/api/v1"
DEFAULT_URL: Final = "http://127.0.0.1:8080"
_UNIX: Final = "unix://"
_SCHEMES: Final = ("http://", "https://", f"{_UNIX}/")


@dataclass(frozen=True, slots=True)
class Options:
    """How a client reaches its server.

    Attributes:
        base_url: scheme, host and port, and a path if the server is below one; or `unix://` and
            the path of a socket on which it listens.
        api_key: sent with every request; empty for none.
        workspace: for keys that open more than one; empty for the key's own.
        timeout: seconds to wait for a connection, and for each part of an answer.
        max_retries: how often a request is sent again after it failed for no fault of its own.
        spill: where recordings wait for a server that is away; None keeps them in memory.
        seen: what all that have these options were told of the log.
    """

    base_url: str
    api_key: str
    workspace: str
    timeout: float
    max_retries: int
    spill: Path | None
    seen: Seen = field(default_factory=Seen, compare=False, repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What every request says about its sender."""
        said = {"X-API-Key": self.api_key, "X-Workspace-ID": self.workspace}
        return {name: value for name, value in said.items() if value}

    @property
    def socket(self) -> str | None:
        """The path of the unix socket on which the server listens, if it is reached by one."""
        return self.base_url.removeprefix(_UNIX) if self.base_url.startswith(_UNIX) else None

    def url(self, path: str) -> str:
        """The address of a path below the API's prefix."""
        server = self.base_url if self.socket is None else "http://localhost"
        return f"{server}{PREFIX}{path}"


def read_options(
    *,
    base_url: str | None,
    api_key: str | None,
    workspace: str | None,
    timeout: float,
    max_retries: int,
    spill: bool | str | Path,
    environment: Mapping[str, str] | None = None,
) -> Options:
    """What was given; else `LEDGER_SERVER`, `LEDGER_API_KEY`, `LEDGER_SPILL_DIR`; else defaults.

    Raises:
        ValueError: the address is none.
    """
    said = os.environ if environment is None else environment
    url = (base_url or said.get("LEDGER_SERVER") or DEFAULT_URL).rstrip("/").removesuffix(PREFIX)
    if not url.startswith(_SCHEMES):
        message = f"{url!r} is no address of a server; it begins with http://, https:// or unix:///"
        raise ValueError(message)
    key = said.get("LEDGER_API_KEY", "") if api_key is None else api_key
    place = _spill_directory(spill, said)
    return Options(url, key, workspace or "", timeout, max_retries, place)


def _spill_directory(spill: bool | str | Path, environment: Mapping[str, str]) -> Path | None:
    if spill is False:
        return None
    if spill is not True:
        return Path(spill)
    named = environment.get("LEDGER_SPILL_DIR")
    if named:
        return Path(named)
    try:
        state = environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError:  # a user without a home: there is no place but memory
        return None
    return Path(state) / "execution-ledger" / "spill"
