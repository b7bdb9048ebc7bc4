"""The short way by which frames are decided comes to what the long way comes to.

A command that names the version it expects goes the long way; at that version it must make no
difference.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from ledger import commands as c
from ledger import events as e
from ledger.commands import Append, Command, SetBudget
from ledger.errors import LedgerError
from ledger.frames import Step, UsageReport
from ledger.orders import Caller, Receipt
from tests.given import frame
from tests.recording import ACME, SECONDS, UMBRELLA, Recording, recording

SET_BUDGET = SetBudget("workspace", max_total_tokens=5)
FRAME = frame(e.ContentStreamed, content="a")
TOOL = frame(e.ToolStarted, id="1", name="search")


def before(id_: str) -> dict[str, Command]:
    """What may have happened to a run, by a name."""
    return {
        "start": c.Start(id_, "worker-1"),
        "claim": c.Claim(id_, "worker-1", "lease"),
        "ask": c.RequestApproval(id_, "deploy", {}),
        "frame": Append(id_, [FRAME]),
        "complete": c.Complete(id_, {}),
        "fail": c.Fail(id_, "broken"),
        "cancel": c.Cancel(id_),
        "budget": SET_BUDGET,
    }


class Asked(NamedTuple):
    """Frames to be recorded, perhaps in one batch with a budget that is set."""

    steps: Sequence[Step]
    lease: str | None
    caller: Caller
    with_budget: bool


steps = st.sampled_from(
    [
        FRAME,
        frame(e.Thought, content="b"),
        TOOL,
        frame(e.ToolEnded, id="1", name="search"),
        UsageReport(model="m", prompt_tokens=3),
    ]
)
asked = st.builds(
    Asked,
    st.lists(steps, max_size=4),
    st.sampled_from([None, None, "lease", "another"]),
    st.sampled_from([ACME, ACME, ACME, UMBRELLA]),
    st.booleans(),
)
histories = st.lists(st.sampled_from(sorted(before(""))), max_size=4)


@given(
    history=histories,
    all_asked=st.lists(asked, min_size=1, max_size=3),
    within_budget=st.booleans(),
)
@example(
    history=["start"],
    all_asked=[Asked([FRAME, FRAME], None, ACME, with_budget=False)],
    within_budget=False,
)
@example(
    history=["start"],
    all_asked=[Asked([FRAME], None, ACME, with_budget=True)] * 2,
    within_budget=False,
)
@example(
    history=["start"],
    all_asked=[Asked([TOOL], None, ACME, with_budget=False)] * 2,
    within_budget=True,
)
def test_frames_are_decided_alike_with_and_without_an_expected_version(
    history: Sequence[str], all_asked: Sequence[Asked], *, within_budget: bool
) -> None:
    short, long = (
        outcomes(history, all_asked, within_budget=within_budget, expecting=expecting)
        for expecting in (False, True)
    )

    assert short == long


def outcomes(
    history: Sequence[str], all_asked: Sequence[Asked], *, within_budget: bool, expecting: bool
) -> Sequence[Any]:
    """What everything that is asked comes to, and what is recorded in the end."""
    with TemporaryDirectory() as folder, recording(Path(folder)) as rec:
        id_ = rec.pending(agent_id=frugal(rec)) if within_budget else rec.pending()
        for name in history:
            rec.hand_over(before(id_)[name]).exception(SECONDS)
        told = [give(rec, id_, each, expecting=expecting) for each in all_asked]
        recorded = rec.ledger.read_execution(id_)
        facts = [(each.version, each.topic, nameless(each.payload.decode())) for each in recorded]
        return [*told, facts[1:]]


def frugal(rec: Recording) -> str:
    """An agent whose runs may call one tool."""
    agent = rec.do(c.RegisterAgent("Frugal")).id
    budget = {"run_budget": {"max_tool_calls": 1}}
    version = {"version": "1", "config": budget, "input_schema": {}, "given": {}}
    rec.do(c.AddVersion(agent, version))
    return agent


def give(rec: Recording, id_: str, asked: Asked, *, expecting: bool) -> Any:
    """What one of them comes to, in words that are the same for any run."""
    version = rec.ledger.last_version(id_)
    if asked.with_budget:
        rec.hold(SET_BUDGET)
    caller = asked.caller._replace(expected_version=version if expecting else None)
    reply = rec.hold(Append(id_, asked.steps, asked.lease), caller)
    rec.ledger.release()
    try:
        receipt: Receipt = reply.result(SECONDS)
    except LedgerError as error:
        return type(error), nameless(str(error))
    envelopes = [said(event.envelope) for event in receipt.events]
    return receipt.version, receipt.budget, [event.topic for event in receipt.events], envelopes


def nameless(text: str) -> str:
    """A text in which ids are alike."""
    return re.sub(r"[0-9A-Za-z]{27}", "an id", text)


def said(envelope: dict[str, Any]) -> dict[str, Any]:
    """An envelope without what is made up for each event and run."""
    return {name: fact for name, fact in envelope.items() if name not in {"id", "trace_id"}}
