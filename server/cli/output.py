"""What commands print: tables for people, JSON for tools; nothing in it can steer a terminal."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ledger.strict_json import encode

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_TRAILING = re.compile(r" +$", re.MULTILINE)
_WIDE, _NARROWEST, _GAP = 10_000, 20, 2
_COLOURS = {
    "completed": "green",
    "approved": "green",
    "failed": "red",
    "rejected": "red",
    "cancelled": "yellow",
    "awaiting_approval": "magenta",
    "running": "cyan",
}


def console() -> Console:
    """Where people read. Without a terminal a row is one line, however long, as tools want it."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=_WIDE)


def clean(value: Any) -> str:
    """A value as text without control characters; nothing for None."""
    return "" if value is None else _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(value))


def coloured(status: str) -> Text:
    """A status in its colour."""
    return Text(clean(status), style=_COLOURS.get(status, ""))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A table; numbers are set to the right by a column name that begins with `>`."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        right = column.startswith(">")
        made.add_column(
            column.removeprefix(">"),
            justify="right" if right else "left",
            no_wrap=column is not columns[-1],
            overflow="fold",
        )
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(clean(cell)) for cell in row))
    return made


def say(*renderables: Any) -> None:
    """Print for people, at once also into a pipe."""
    out = console()
    width = out.width
    with out.capture() as said:
        for each in renderables:
            line = Text(each) if isinstance(each, str) else each
            out.width = _WIDE if isinstance(line, Table) and not _fits(line, width) else width
            out.print(line, soft_wrap=isinstance(line, Text))  # what is copied must stay one line
    out.file.write(_TRAILING.sub("", said.get()))
    out.file.flush()


def _fits(made: Table, width: int) -> bool:
    """Whether only the last column has to be folded. Else lines are left to the terminal."""
    *firsts, last = (
        max(cell_len(line) for cell in (each.header, *each.cells) for line in _lines(cell))
        for each in made.columns
    )
    return sum(first + _GAP for first in firsts) + min(last, _NARROWEST) <= width


def _lines(cell: Any) -> Sequence[str]:
    return str(cell).splitlines() or [""]


def warn(text: str) -> None:
    """Say something beside what was asked for, on stderr."""
    sys.stderr.write(f"execution-ledger: {clean(text)}\n")


def print_bytes(text: bytes) -> None:
    """Print exactly these bytes, at once."""
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


def print_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    print_bytes(encode(value) + b"\n")


def money(cost_usd: str | None) -> str:
    """A cost for people: at least cents, all digits that count; `?` is unknown."""
    if cost_usd is None:
        return "?"
    whole, _, rest = cost_usd.partition(".")
    return f"${whole}.{rest.rstrip('0'):0<2}"


def cost_of(execution: Mapping[str, Any]) -> str:
    """What an execution cost by itself, for people; nothing where it called no model."""
    is_unknown = execution["cost_usd"] is None
    return "" if is_unknown and not execution["total_tokens"] else money(execution["cost_usd"])


def seconds(duration_ms: int | None) -> str:
    """A duration for people."""
    return "" if duration_ms is None else f"{duration_ms / 1000:.2f} s"


def short_time(time: str | None) -> str:
    """A time for people, to the second, in UTC."""
    return "" if time is None else time[:19].replace("T", " ")
