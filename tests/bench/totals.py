"""What totals of costs take over a year of many runs: from cuts, and by adding up calls.

The tables are filled through the projection's own writer of rows, from made-up runs instead of
events, which would take many times as long.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy import Connection

from ledger.ids import new_id
from projections.bulk import upsert
from projections.cost_calls import by_place
from projections.cost_groups import grouped
from projections.cost_questions import parse_question
from projections.cost_rows import NO_AMOUNTS, Amounts, Costs, Spent, save
from projections.cost_runs import Run
from projections.cost_tables import HOUR, HOURS
from projections.execution_tables import executions, labels
from projections.executions import Executions
from projections.projection import Identity
from projections.store import ViewStore
from projections.times import micros
from tests.bench.asked import Asked, Times
from tests.bench.history import customer_of, session_of
from tests.bench.plan import Plan, note
from tests.bench.result import Goal, Row, against, percentile
from tests.bench.samples import AGENTS, MODELS, WORKSPACE

_BEGIN: Final = datetime(2025, 7, 1, tzinfo=UTC)
_YEAR: Final = timedelta(days=365)
_AT_ONCE: Final = 5_000
_TEAMS: Final = 10

_IN_A_YEAR: Final = "from=2025-07-01&to=2026-06-30"
_IN_A_MONTH: Final = "from=2026-06-01&to=2026-06-30"
_QUESTIONS: Final = {
    "a year by agent and day": (f"group_by=agent,day&{_IN_A_YEAR}", Goal("ours", "at most", 20)),
    "a year by model and provider": (f"group_by=model,provider&{_IN_A_YEAR}", None),
    "a year by version and status": (f"group_by=version,status&{_IN_A_YEAR}", None),
    "a year by metadata": (f"group_by=metadata.team&{_IN_A_YEAR}", None),
    "a month by user": (f"group_by=user&{_IN_A_MONTH}", None),
    "a week by hour, calls added up": ("group_by=hour&from=2026-06-24&to=2026-06-30", None),
    "a month by agent, with children": (f"group_by=agent&scope=inclusive&{_IN_A_MONTH}", None),
    "a year by agent, with children": (f"group_by=agent&scope=inclusive&{_IN_A_YEAR}", None),
}


def measure(plan: Plan) -> list[Row]:
    """Milliseconds of each question, in process."""
    views = plan.database("totals").with_suffix(".views.db")
    _fill(views, plan.runs)
    rows = []
    with Asked(views) as asked:
        for what, (path, goal) in _QUESTIONS.items():
            askings = plan.choose(2, 3 if "year by agent, with" in what else 15)
            rounds = [asked.times(_ask, [f"?{path}"] * askings) for _ in range(plan.rounds)]
            rows.append(_row(f"{plan.runs:,} runs: {what}, p50", rounds, goal))
            note(f"totals: {what}")
    return rows


def _ask(connection: Connection, path: str) -> Any:
    return grouped(connection, parse_question(WORKSPACE, parse_qsl(urlsplit(path).query)))


def _row(what: str, rounds: Sequence[Times], goal: Goal | None) -> Row:
    turns = [(percentile(times.floor, 50), percentile(times.ours, 50)) for times in rounds]
    return against(what, "ms", turns, goal)


def _fill(views: Path, runs: int) -> None:
    store = ViewStore.open(f"sqlite:///{views}")
    with store.writing() as connection:
        for projection in (Executions(), Costs()):
            projection.metadata.create_all(connection)
    made = _runs(runs)
    while page := dict(islice(made, _AT_ONCE)):
        with store.writing() as connection:
            _save(connection, page)
    store.close()
    note(f"totals: wrote {runs:,} runs")


def _runs(number: int) -> Iterator[tuple[str, tuple[Spent, dict[str, Any]]]]:
    """Runs of a year, one after the other, each with one call."""
    choose = random.Random(1)
    for n in range(number):
        at = _BEGIN + n * _YEAR / number
        agent = choose.choice(AGENTS)
        id_, created = new_id(at), micros(at)
        model = choose.choice(MODELS)
        tokens = choose.randrange(100, 5_000)
        call = {
            "execution_id": id_,
            "sequence": 3,
            "workspace": WORKSPACE,
            "hour": created // HOUR,
            "model": model,
            "provider": model.partition("-")[0],
            "prompt_tokens": tokens,
            "completion_tokens": tokens // 4,
            "total_tokens": tokens + tokens // 4,
            "cached_tokens": 0,
            "cost_nano": None if choose.random() < 0.02 else tokens * 1_250,
            "cost_rest": 0,
        }
        if call["cost_nano"] is None:
            call["cost_rest"] = None
        user, version = f"user-{n % 500:03d}", f"{agent}-{n * 4 // number}"
        identity = Identity(
            WORKSPACE, agent, agent, version, user, session_of(n), f"{n:032x}", id_, None, created
        )
        status = "failed" if choose.random() < 0.05 else "completed"
        own = {"metadata.customer": customer_of(n), "metadata.team": f"team-{n % _TEAMS}"}
        run = Run(status, own, int(status == "failed"), 1_000, 1)
        counts = (1, run.errors, run.duration_ms, run.durations)
        amounts = Amounts.of(created // (HOUR * HOURS), counts, by_place([call])[id_])
        yield id_, (Spent(identity, None, run, NO_AMOUNTS, amounts), call)


def _save(connection: Connection, page: dict[str, tuple[Spent, dict[str, Any]]]) -> None:
    calls = [call for _, call in page.values()]
    spent = {id_: each for id_, (each, _) in page.items()}
    save(connection, calls, spent)
    upsert(connection, executions, [_execution(id_, each) for id_, each in spent.items()])
    upsert(connection, labels, [row for id_, each in spent.items() for row in _labels(id_, each)])


def _labels(id_: str, spent: Spent) -> Iterator[dict[str, Any]]:
    at = {"workspace": WORKSPACE, "created_at": spent.identity.created_at}
    for name, value in spent.after.labels.items():
        yield {"execution_id": id_, "name": name, "value": value, **at}


def _execution(id_: str, spent: Spent) -> dict[str, Any]:
    who = spent.identity
    known = {name: getattr(who, name) for name in Identity._fields if name in executions.c}
    return {
        **{c.name: None if c.nullable else 0 for c in executions.columns},
        **known,
        "id": id_,
        "root_id": id_,
        "mode": "recorded",
        "status": spent.after.status,
        "models": "[]",
    }
