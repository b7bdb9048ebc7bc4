"""How a command ends when it does not do what was asked: one line on stderr, and an exit code."""

import sys
from typing import NoReturn

REFUSED = 1
USAGE = 2
UNREACHABLE = 3


class CommandFailed(Exception):
    """A command cannot be done; `code` is what the process exits with."""

    def __init__(self, message: str, code: int = REFUSED) -> None:
        super().__init__(message)
        self.code = code


def leave(failure: CommandFailed) -> NoReturn:
    """Say why, and exit."""
    sys.stderr.write(f"execution-ledger: {failure}\n")
    raise SystemExit(failure.code)
