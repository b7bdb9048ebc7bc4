"""Markdown, as far as the generated parts need it."""

from collections.abc import Iterable, Sequence


def code(text: str) -> str:
    """Text as a program writes it."""
    return f"`{text}`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a pipe in a cell is escaped, a line break becomes a space."""
    lines = [_row(head), _row(["---"] * len(head))]
    return "\n".join([*lines, *map(_row, rows)])


def paragraph(docstring: str | None) -> str:
    """A docstring on lines of its own paragraphs; single line breaks mean nothing."""
    paragraphs = (docstring or "").split("\n\n")
    return "\n\n".join(" ".join(each.split()) for each in paragraphs)


def _row(cells: Iterable[str]) -> str:
    cleaned = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(cleaned)} |"
