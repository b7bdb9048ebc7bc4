"""Histories of executions that spend, for the laws of money: whole ones hardly ever do."""

from functools import partial
from typing import Any, Final

from hypothesis import strategies as st

from ledger import events as e
from ledger.event import Stamp
from ledger.execution import Execution
from ledger.lifecycle import LIFECYCLE
from ledger.mapper import Recorded
from tests.strategies import ACTS, History, create, reprice, started


@st.composite
def spendings(draw: st.DrawFn, max_executions: int = 4, max_acts: int = 30) -> list[Recorded]:
    """A log of executions that mostly spend, and whose status and metadata change meanwhile."""
    history = History()
    for _ in range(draw(st.integers(1, max_executions))):
        started(history, create(draw, history))
    for _ in range(draw(st.integers(1, max_acts))):
        execution = history.executions[draw(st.integers(0, len(history.executions) - 1))]
        allowed = [event for event in _ACTS if execution.status in LIFECYCLE[event].sources]
        event = draw(st.sampled_from(allowed))
        if event is e.UsageRepriced:
            reprice(draw, history, execution)
            continue
        act = _annotate if event is e.Annotated else ACTS[event]
        history.do(execution, partial(act, draw, execution))
    return history.log


_ACTS: Final[list[type[Any]]] = [
    *[e.UsageRecorded] * 4,
    *[e.UsageRepriced] * 2,
    *[e.Annotated] * 2,
    e.Started,
    e.ApprovalRequested,
    e.Approved,
    e.WorkerLost,
    e.Completed,
    e.Failed,
    e.Cancelled,
]

VALUES: Final[list[Any]] = ["", "law", 1, None]
"""What metadata has under the keys "a" and "b"."""


def _annotate(draw: st.DrawFn, execution: Execution, stamp: Stamp) -> None:
    values = st.dictionaries(st.sampled_from("ab"), st.sampled_from(VALUES), max_size=2)
    execution.annotate(stamp, draw(values))
