"""How much is measured, and where the files of a run of the bench are kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

TURN_SECONDS = 0.5


class Plan(NamedTuple):
    """What every figure needs to know.

    Attributes:
        folder: for databases; gone when the bench ends.
        quick: a smoke run: everything once around, figures mean little.
        rounds: how often floor and ours take turns.
        seconds: how long one turn under load takes, or a round of many short ones.
        runs: how many runs the lists are asked about.
    """

    folder: Path
    quick: bool
    rounds: int
    seconds: float
    runs: int

    @property
    def turns(self) -> int:
        """How many turns floor and ours take that are as short as `TURN_SECONDS`.

        So short, a neighbour on the machine is in the way of both or of neither, and of many pairs
        the median is not one that was disturbed. In turns of 2.5 seconds the ratio of one pair was
        anything from 0.65 to 1.4 times the median on a machine shared with others.
        """
        return self.rounds * max(1, round(self.seconds / TURN_SECONDS))

    def choose(self, quick: int, full: int) -> int:
        """A size for this run of the bench."""
        return quick if self.quick else full

    def database(self, name: str) -> Path:
        """A new file for a ledger, in a folder of its own."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder / "ledger.db"


@contextmanager
def planned(
    *, quick: bool, rounds: int | None, runs: int | None, folder: Path | None
) -> Iterator[Plan]:
    """A plan with a folder; in `folder`, or where the system keeps temporary files."""
    with TemporaryDirectory(prefix="ledger-bench-", dir=folder) as made:
        yield Plan(
            folder=Path(made),
            quick=quick,
            rounds=rounds or 3,
            seconds=0.5 if quick else 2.5,
            runs=runs or (2_000 if quick else 100_000),
        )


_began = perf_counter()


def note(text: str) -> None:
    """A line of progress."""
    print(f"{perf_counter() - _began:6.1f} s  {text}", flush=True)
