"""Programs that record and end, each in its own way."""

import subprocess
import sys
from pathlib import Path

import pytest

from ledger_client import Ledger
from tests.integration.client.conftest import address
from tests.live_server import Caller

BEGIN = """
import os, sys
from ledger_client import Ledger

ledger = Ledger(sys.argv[1], spill=sys.argv[2])

def record(agent):
    with ledger.record(agent=agent) as run:
        run.content("Hi")
"""
JUST_ENDS = """
record("ends")
"""
FAILS = """
with ledger.record(agent="fails"):
    raise SystemExit("enough")
"""
FORKS = """
record("parent")
child = os.fork()
record("child" if child == 0 else "parent")
if child:
    os.waitpid(child, 0)
"""


@pytest.mark.parametrize(
    ("program", "runs"),
    [
        (JUST_ENDS, {"ends": ["completed"]}),
        (FAILS, {"fails": ["failed"]}),
        (FORKS, {"parent": ["completed", "completed"], "child": ["completed"]}),
    ],
)
def test_a_program_that_ends_has_recorded_its_runs(
    server: Caller, ledger: Ledger, tmp_path: Path, program: str, runs: dict[str, list[str]]
) -> None:
    place = tmp_path / "of the program"

    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BEGIN + program, address(server), place],
        check=program is not FAILS,
        timeout=30,
    )

    for name, statuses in runs.items():
        (agent,) = ledger.agents.list(name=name)
        found = ledger.executions.list(agent_id=agent.id)
        assert [run.status for run in found] == statuses
    assert [*place.iterdir()] == []
