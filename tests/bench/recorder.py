"""What a program pays for being recorded: the time that one frame takes of the caller's thread."""

from time import perf_counter, sleep

from ledger_client import Ledger
from tests.bench.client import HOST
from tests.bench.plan import Plan, note
from tests.bench.process import serving
from tests.bench.result import Goal, Row, alone, percentile
from tests.bench.samples import TEXT

_PAUSE_SECONDS = 0.002
_GOAL = Goal("ours", "at most", 20)


def measure(plan: Plan) -> list[Row]:
    """Microseconds that `run.content` takes: one at a time, and as fast as a program can say."""
    number = plan.choose(200, 2_000)
    paced: list[list[float]] = []
    flood: list[float] = []
    with serving("ledger", plan.database("recorder")) as server:
        for turn in range(plan.rounds):
            spill = plan.folder / f"spill-{turn}"
            with Ledger(f"http://{HOST}:{server.port}", spill=spill) as ledger:
                paced.append(_paced(ledger, number))
                flood.append(_flood(ledger, number))
                ledger.flush()
            server.settle()
    note(f"recorder: {number:,} frames, one at a time and at once")
    what = "a frame of a recorded program, every 2 ms"
    p50, p99 = ([percentile(each, percent) for each in paced] for percent in (50, 99))
    return [
        alone(f"{what}: mean", "µs", [sum(each) / len(each) for each in paced], _GOAL),
        alone(f"{what}: p50", "µs", p50),
        alone(f"{what}: p99", "µs", p99),
        alone(f"{number:,} frames of a recorded program at once: mean", "µs", flood),
    ]


def _paced(ledger: Ledger, number: int) -> list[float]:
    """A program that streams what a model says: the recorder's threads work in the pauses."""
    times = []
    with ledger.record(agent="paced", input={}) as run:
        for _ in range(number):
            began = perf_counter()
            run.content(TEXT)
            times.append(1e6 * (perf_counter() - began))
            sleep(_PAUSE_SECONDS)
    return times


def _flood(ledger: Ledger, number: int) -> float:
    """A program that says everything at once, and has to share the interpreter meanwhile."""
    with ledger.record(agent="flood", input={}) as run:
        began = perf_counter()
        for _ in range(number):
            run.content(TEXT)
        return 1e6 * (perf_counter() - began) / number
