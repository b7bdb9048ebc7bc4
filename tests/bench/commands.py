"""Durable commands of one event over HTTP, against the same server without a store."""

from tests.bench.client import Load, ask_for
from tests.bench.plan import TURN_SECONDS, Plan, note
from tests.bench.process import Server, serving
from tests.bench.recording import appends, start_runs
from tests.bench.result import Goal, Row, against, alone

_CLIENTS = (1, 16, 64)
_RUNS = 256
_GOAL = Goal("ratio", "at least", 0.7)


def measure(plan: Plan) -> list[Row]:
    """Commands a second and their latency for 1, 16 and 64 clients; what the writer made of it."""
    rows: list[Row] = []
    with (
        serving("unstored", plan.database("unstored")) as floor,
        serving("ledger", plan.database("commands")) as ours,
    ):
        ids = start_runs(ours, _RUNS)
        for clients in _CLIENTS:
            before = ours.meters()
            turns = [
                (_ask(floor, clients, ids), _ask(ours, clients, ids)) for _ in range(plan.turns)
            ]
            note(f"commands: {clients} clients, {turns[-1][1].per_second:,.0f} a second")
            rows += _rows(clients, turns)
            if clients == _CLIENTS[-1]:
                rows += _of_the_writer(before, ours.meters())
    return rows


def _ask(server: Server, clients: int, ids: list[str]) -> Load:
    requests = appends(ids, 1)
    load = ask_for([server.port], TURN_SECONDS, clients, lambda: next(requests))
    server.settle()
    return load


def _rows(clients: int, turns: list[tuple[Load, Load]]) -> list[Row]:
    what = f"commands of one event, {clients} client{'s' * (clients > 1)}"
    rates = [(floor.per_second, ours.per_second) for floor, ours in turns]
    rows = [against(what, "1/s", rates, _GOAL if clients == _CLIENTS[-1] else None)]
    for percent in (50, 99):
        times = [(f.milliseconds(percent), ours.milliseconds(percent)) for f, ours in turns]
        rows.append(against(f"{what}: p{percent}", "ms", times))
    return rows


def _of_the_writer(before: dict[str, float], after: dict[str, float]) -> list[Row]:
    """From /metrics, over all the rounds: what one commit held, and how long it took."""
    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    commits = grown["ledger_commit_seconds_count"]
    size = grown["ledger_batch_commands_sum"] / commits
    milliseconds = 1000 * grown["ledger_commit_seconds_sum"] / commits
    return [
        alone("commands of one event, 64 clients: commands per commit, mean", "", [size]),
        alone("commands of one event, 64 clients: time per commit, mean", "ms", [milliseconds]),
    ]
