"""Sample runs, recorded by real commands: what the copies in `history.py` are made of."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ledger import commands as c
from ledger.application import Ledger
from ledger.event import Actor
from ledger.frames import FRAMES, Step, steps_of
from ledger.orders import Caller

WORKSPACE = "default"
AGENTS = [f"agent {number:02d}" for number in range(20)]
SESSION, USER, CUSTOMER = "SESSION-MARK", "USER-MARK", "CUSTOMER-MARK"
CALLER = Caller(WORKSPACE, Actor(type="user", id="loopback", auth="loopback"))
MODELS = ("gpt-5-mini", "claude-sonnet-4-5", "gemini-3-flash")
TEXT = "The order was shipped on Monday and should arrive tomorrow. "


class Shape(NamedTuple):
    """What a run consists of beside `created`, `started` and its end."""

    contents: int
    tools: int = 0
    usages: int = 0
    extras: bool = False
    """An annotation, a score, and an approval with its yes and the start after it."""


FIFTY = Shape(contents=32, tools=4, usages=2, extras=True)
"""Fifty events: 40 frames, of which 4 pairs of a tool's start and end."""

STREAMED = Shape(contents=382, tools=4, usages=2, extras=True)
"""Four hundred events: the same facts, and an answer that is streamed word by word."""

SHORT = Shape(contents=1, usages=1)
"""Five events: enough for every column that a list shows."""


def record_sample(ledger: Ledger, agent: str, shape: Shape, seed: int) -> list[str]:
    """Record one run of an agent; every third one fails.

    Returns:
        The ids that were made: first the execution's, then those of what it consists of.
    """
    create = c.CreateExecution(
        mode="record",
        agent_name=agent,
        session_id=SESSION,
        user_id=USER,
        input={"question": "Where is my order?"},
        metadata={"customer": CUSTOMER, "plan": ("free", "team", "scale")[seed % 3]},
    )
    id_ = ledger.record(create, CALLER).id
    subjects = {ledger.record(each, CALLER).subject for each in _commands(id_, shape, seed)}
    return [id_, *(subject for subject in subjects if subject is not None)]


def _commands(id_: str, shape: Shape, seed: int) -> Sequence[c.Command]:
    steps = _steps(shape, seed)
    half = len(steps) // 2
    commands: list[c.Command] = [c.Start(id_, "bench"), c.Append(id_, steps[:half])]
    if shape.extras:
        commands += [
            c.Annotate(id_, {"reviewed": True}),
            c.RequestApproval(id_, "refund", {"amount": 40}),
            c.Decide(id_, approve=True, reason="fair"),
            c.Start(id_, "bench"),
            c.Score(id_, {"name": "helpful", "value": 0.5, "data_type": "numeric"}),
        ]
    end: c.Command = c.Complete(id_, {"answer": TEXT * 4})
    if seed % 3 == 2:
        end = c.Fail(id_, "the tool did not answer")
    return [*commands, c.Append(id_, steps[half:]), end]


def _steps(shape: Shape, seed: int) -> list[Step]:
    contents = [{"type": "content", "content": TEXT} for _ in range(shape.contents)]
    tools = [frame for number in range(shape.tools) for frame in _tool_call(f"call_{number}")]
    usages = [_usage(seed) for _ in range(shape.usages)]
    return steps_of(FRAMES.validate_python([*contents, *tools, *usages]))


def _tool_call(id_: str) -> list[dict[str, Any]]:
    call = {"id": id_, "name": "find_order"}
    found = {"order": 4711, "state": "shipped", "lines": [1, 2, 3]}
    return [
        {"type": "tool_start", **call, "input": {"order": 4711}},
        {"type": "tool_end", **call, "output": found},
    ]


def _usage(seed: int) -> dict[str, Any]:
    return {
        "type": "usage",
        "model": MODELS[seed % len(MODELS)],
        "prompt_tokens": 1200 + seed,
        "completion_tokens": 310,
        "cost_usd": f"0.0{seed + 1}25",
    }
