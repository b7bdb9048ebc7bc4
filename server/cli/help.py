"""What `--help` says of a command: its docstring."""

import inspect
from collections.abc import Callable
from typing import Any, Final

LOOK: Final[dict[str, Any]] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"], "max_content_width": 100},
}
"""How every group of commands is set up: plain text, that stays the same in every terminal."""


def help_of(command: Callable[..., Any]) -> str:
    """A command's docstring, for click: the lines of its examples stay as they are."""
    text = inspect.getdoc(command) or ""
    return text.replace("\n\nExample", "\n\n\b\nExample")
