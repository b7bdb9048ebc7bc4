"""The table: as text, as JSON, and between its marks in docs/performance.md."""

import json
import os
import platform
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.result import Row

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
_BEGIN, _END = "<!-- {}: begin -->", "<!-- {}: end -->"
_HEAD = ("what", "unit", "floor", "ours", "ours / floor", "goal", "")


def machine() -> dict[str, Any]:
    """What the figures depend on, and nothing that tells whose machine it is."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.machine()}",
        "date": datetime.now(UTC).date().isoformat(),
        "load": round(os.getloadavg()[0], 1),
    }


def table(rows: Sequence[Row]) -> str:
    """Rows in Markdown; each value is the median of the rounds, with the least and the most."""
    lines = [_HEAD, ("---", "---", *["---:"] * 3, "---", "---"), *map(_cells, rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def as_json(rows: Sequence[Row], facts: dict[str, Any]) -> str:
    """Everything in it, for tools."""
    return json.dumps({"machine": facts, "rows": [_record(row) for row in rows]}, indent=2) + "\n"


def write(rows: Sequence[Row], facts: dict[str, Any], name: str = "bench") -> None:
    """Put the table into the document, in the place of the one before between the marks so named.

    Raises:
        ValueError: the document has no such place.
    """
    begin, end = _BEGIN.format(name), _END.format(name)
    document = DOCUMENT.read_text("utf-8")
    start, stop = document.index(begin), document.index(end)
    said = (
        "Measured {date} on {cores} cores, {system}, Python {python}, SQLite {sqlite}. Other work\n"
        "on the machine: a load average of {load} when the bench began."
    ).format(**facts)
    text = f"{begin}\n\n{said}\n\n{table(rows)}\n\n"
    DOCUMENT.write_text(document[:start] + text + document[stop:], "utf-8")


def _cells(row: Row) -> tuple[str, ...]:
    goal = "" if row.goal is None else str(row.goal)
    floor, ratio = ("" if each is None else str(each) for each in (row.floor, row.ratio))
    return row.what, row.unit, floor, str(row.ours), ratio, goal, row.verdict


def _record(row: Row) -> dict[str, Any]:
    spreads = {"floor": row.floor, "ours": row.ours, "ratio": row.ratio}
    return {
        "what": row.what,
        "unit": row.unit,
        **{name: spread and spread._asdict() for name, spread in spreads.items()},
        "goal": row.goal and str(row.goal),
        "verdict": row.verdict,
    }
