"""`python -m tests.bench`: measure, print the table, write it where it is wanted.

With DATABASE=postgres the servers are on a PostgreSQL of their own, which syncs to disk; figures
whose floor is SQLite's are left out.
"""

import argparse
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.bench import (
    batches,
    commands,
    first_frame,
    lag,
    lists,
    memory,
    rebuild,
    recorder,
    replay,
    report,
    servers,
    totals,
    workers,
)
from tests.bench.plan import Plan, note, planned
from tests.bench.process import POSTGRES
from tests.bench.result import Row
from tests.postgres import Server as PostgresServer

FIGURES: Final[Mapping[str, Callable[[Plan], list[Row]]]] = {
    "commands": commands.measure,
    "batches": batches.measure,
    "replay": replay.measure,
    "first-frame": first_frame.measure,
    "rebuild": rebuild.measure,
    "lists": lists.measure,
    "totals": totals.measure,
    "lag": lag.measure,
    "memory": memory.measure,
    "workers": workers.measure,
    "recorder": recorder.measure,
}

ON_POSTGRES: Final = {
    **{name: FIGURES[name] for name in ("commands", "replay", "rebuild", "lag", "workers")},
    "servers": servers.measure,
    "recorder": recorder.measure,
}
"""Figures that have a floor there, or need none."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="a smoke run of a minute; its figures mean little")
    add(
        "--only",
        action="append",
        choices=tuple(_figures()),
        default=None,
        help="this figure; may be repeated",
    )
    add("--rounds", type=int, help="how often floor and ours take turns; 3")
    add("--runs", type=int, help="how many runs the lists are asked about; 100,000")
    add("--folder", type=Path, help="where databases are made; else where temporary files are")
    add("--json", type=Path, metavar="FILE", help="write everything there")
    add("--write", action="store_true", help="put the table into docs/performance.md")
    return parser.parse_args()


def main() -> None:
    """Measure. A goal that is missed is said in the table, and is no error."""
    options = _options()
    facts = report.machine()
    rows: list[Row] = []
    with (
        _database(),
        planned(
            quick=options.quick, rounds=options.rounds, runs=options.runs, folder=options.folder
        ) as plan,
    ):
        for name in options.only or _figures():
            note(f"{name} ...")
            rows += _figures()[name](plan)
    print(f"\n{report.table(rows)}")
    _keep(rows, options, facts)


def _figures() -> Mapping[str, Callable[[Plan], list[Row]]]:
    return ON_POSTGRES if _on_postgres() else FIGURES


def _on_postgres() -> bool:
    return os.environ.get("DATABASE") == "postgres"


@contextmanager
def _database() -> Iterator[None]:
    """A server of PostgreSQL for the servers that are measured, if it is wanted."""
    if not _on_postgres():
        yield
        return
    postgres = PostgresServer(durable=True)
    os.environ[POSTGRES] = postgres.url
    try:
        yield
    finally:
        postgres.stop()


def _keep(rows: Sequence[Row], options: argparse.Namespace, facts: dict[str, object]) -> None:
    if options.json is not None:
        options.json.write_text(report.as_json(rows, facts), "utf-8")
    if options.write:
        report.write(rows, facts, "bench on PostgreSQL" if _on_postgres() else "bench")


if __name__ == "__main__":
    main()
