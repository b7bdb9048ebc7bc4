"""How much is measured, and where the files of a run of the bench are kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

_TURN_SECONDS = 0.5


class Plan(NamedTuple):
    """What every figure needs to know.

    Attributes:
        folder: for databases; gone when the bench ends.
        quick: a smoke run: everything once around, figures mean little.
        rounds: how often floor and ours take turns.
        seconds: how long one round under load takes.
        runs: how many runs the lists are asked about.
    """

    folder: Path
    quick: bool
    rounds: int
    seconds: float
    runs: int

    @property
    def turns(self) -> int:
        """How many turns of `turn_seconds` a round is made of.

        They are so short that a neighbour on the machine is in the way of floor and ours, or of
        neither. In turns of 2.5 seconds the ratio of one round of commands was anything from 0.65
        to 1.4 times the median on a machine shared with others.
        """
        return max(1, round(self.seconds / _TURN_SECONDS))

    @property
    def turn_seconds(self) -> float:
        """How long one of those turns takes."""
        return self.seconds / self.turns

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
