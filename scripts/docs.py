"""Write the parts of the documentation that are made of the code: `make docs`.

A generated part stands between two comments that name it. A test compares every part with what
would be written now, so a change of the code that the documentation lacks fails the build.
"""

import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from scripts.describe import api, commands, events, lifecycle, limits, modules, operations, picture

ROOT = Path(__file__).resolve().parent.parent

PARTS: Final[Mapping[str, Mapping[str, Callable[[], str]]]] = {
    "ARCHITECTURE.md": {
        "lifecycle": lifecycle.diagram,
        "statuses": lifecycle.statuses,
        "ledger": modules.ledger,
        "projections": modules.projections,
        "server": modules.server,
        "ledger_client": modules.ledger_client,
    },
    "docs/events.md": {
        "topics": events.overview,
        "facts": events.sections,
        "shapes": events.shapes,
    },
    "docs/api.md": {
        "limits": limits.limits,
        "routes": api.overview,
        "reference": api.reference,
        "objects": api.objects,
    },
    "docs/cli.md": {"commands": commands.reference},
    "docs/operations.md": {
        "settings": operations.settings,
        "roles": operations.roles,
        "permissions": operations.permissions,
    },
}
"""File -> name of the part -> what makes it."""

FILES: Final[Mapping[str, Callable[[], str]]] = {"docs/lifecycle.svg": picture.drawing}
"""Files that are generated as a whole."""


@cache
def documents() -> dict[str, str]:
    """Every file with generated parts, as it should be now."""
    written = {name: make() for name, make in FILES.items()}
    for name, parts in PARTS.items():
        text = (ROOT / name).read_text("utf-8")
        for part, make in parts.items():
            text = put(text, part, make())
        written[name] = text
    return written


def put(text: str, part: str, content: str) -> str:
    """Put a part between its comments. Raises KeyError when the comments are missing."""
    begin, end = f"<!-- generated: {part} -->", f"<!-- end: {part} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        message = f"there should be one pair of comments {begin} ... {end}"
        raise KeyError(message)
    return pattern.sub(lambda _: f"{begin}\n\n{content}\n\n{end}", text)


def main() -> None:
    """Write what changed, and say so."""
    for name, text in documents().items():
        path = ROOT / name
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            sys.stdout.write(f"wrote {name}\n")


if __name__ == "__main__":
    main()
