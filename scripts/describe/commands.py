"""Every command of the console script, in the words of its own `--help`."""

from collections.abc import Iterator
from typing import Any

import typer

from server.cli import app
from server.cli.help import LOOK

_WIDTH = 100


def reference() -> str:
    """A section per command."""
    sections = [
        f"## {name}\n\n```text\n{_help(name, command)}\n```"
        for name, command in _walk("execution-ledger", typer.main.get_command(app))
    ]
    return "\n\n".join(sections)


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """A command and those below it, in the order in which they are listed."""
    yield name, command
    context = _context(name, command)
    for each in command.list_commands(context) if hasattr(command, "list_commands") else ():
        yield from _walk(f"{name} {each}", command.get_command(context, each))


def _context(name: str, command: Any) -> typer.Context:
    return typer.Context(
        command,
        info_name=name,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        help_option_names=LOOK["context_settings"]["help_option_names"],
    )


def _help(name: str, command: Any) -> str:
    text: str = command.get_help(_context(name, command))
    return "\n".join(line.rstrip() for line in text.splitlines())
