"""What lists and totals cost over many runs: our queries against the same SQL, raw driver.

Neither of them writes JSON. The floor fetches every row and column that ours does.
"""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from ledger.application import Ledger
from ledger.database import file_of
from projections.catalog import ALL
from projections.catch_up import CatchUp
from projections.store import ViewStore
from server.settings import read_settings
from tests.bench.asked import Asked, Times
from tests.bench.client import Single, request
from tests.bench.history import write_log
from tests.bench.plan import Plan, note
from tests.bench.process import serving
from tests.bench.questions import QUESTIONS, Data, Question, listed
from tests.bench.result import Goal, Row, against, alone, percentile
from tests.bench.samples import AGENTS, SHORT

_GOAL = Goal("ratio", "at most", 2)
_CURSORS = 50


def measure(plan: Plan) -> list[Row]:
    """Milliseconds of each question, in process and over HTTP."""
    file = plan.database("lists")
    views = file_of(read_settings({}, database=f"sqlite:///{file}").views)
    assert views is not None
    _fill(file, views, plan.runs)
    askings = plan.choose(30, 300)
    rows: list[Row] = []
    with Asked(views) as asked:
        data = _data(asked.store, plan.runs)
        for question in QUESTIONS:
            paths = _paths(question, data, askings)
            rounds = [asked.times(question.ask, paths) for _ in range(plan.rounds)]
            goal = _GOAL if question.ask is listed else None  # what is asked of pages of lists
            rows += _rows(f"{plan.runs:,} runs: {question.what}", rounds, goal)
    note("lists: in process")
    with serving("ledger", file) as server:
        for question in QUESTIONS:
            paths = _paths(question, data, askings)
            times = asyncio.run(_over_http(server.port, paths))
            what = f"{plan.runs:,} runs: {question.what}, over HTTP, p99"
            rows.append(alone(what, "ms", [percentile(times, 99)]))
    return rows


def _fill(file: Path, views: Path, runs: int) -> None:
    write_log(file, runs, SHORT)
    note(f"lists: wrote {runs:,} runs")
    store = ViewStore.open(f"sqlite:///{views}")
    with Ledger(file) as ledger:
        catch_up = CatchUp(store, ALL, ledger)
        while catch_up.turn():
            pass
    store.close()
    note("lists: folded them")


def _data(store: ViewStore, runs: int) -> Data:
    """Cursors all over the list, and the ids of the agents."""
    choose = random.Random(2)
    pages = max(1, runs // 100 - 1)
    with store.reading() as connection:
        found = [
            listed(connection, f"?limit=100&fields=id,agent_id&page={1 + choose.randrange(pages)}")
            for _ in range(_CURSORS)
        ]
    agents = {item["agent_id"] for page in found for item in page.items}
    assert len(agents) == len(AGENTS)
    return Data(runs, sorted(agents), [page.meta["next_cursor"] for page in found])


def _rows(what: str, rounds: Sequence[Times], of_p99: Goal | None) -> list[Row]:
    rows = []
    for percent, goal in ((50, None), (99, of_p99)):
        turns = [
            (percentile(times.floor, percent), percentile(times.ours, percent)) for times in rounds
        ]
        rows.append(against(f"{what}, p{percent}", "ms", turns, goal))
    return rows


def _paths(question: Question, data: Data, number: int) -> list[str]:
    choose = random.Random(3)
    return [question.path(choose, data) for _ in range(number)]


async def _over_http(port: int, paths: Sequence[str]) -> list[float]:
    connection = await Single.connect(port)
    times = []
    for path in paths:
        began = perf_counter()
        times.append(1000 * (await connection.ask(request("GET", path)) - began))
    connection.close()
    return times
