"""Whole histories for property tests, made by the real aggregate and the real mapper."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from ledger import events as e
from ledger.claims import AgentName
from ledger.event import Actor, Stamp
from ledger.events import EncodedFrame
from ledger.execution import Execution
from ledger.lifecycle import LIFECYCLE
from ledger.mapper import LedgerMapper, Recorded
from ledger.status import Status
from ledger.strict_json import encode
from ledger.usage import PriceUsed

BEGINNING = datetime(2026, 1, 31, 12, tzinfo=UTC)
WORKSPACES = ("acme", "umbrella")
AGENTS = (("agent-1", "Writer"), ("agent-2", "Critic"))
MODELS = ("gpt-x", "claude-y", "llama\N{SNOWMAN}")
ACTOR = Actor(type="user", id="key-1", auth="api_key")

MAPPER = LedgerMapper()


class MemoryLog:
    """A log in memory: what a projection reads from, for tests that need no file."""

    def __init__(self, events: Sequence[Recorded] = ()) -> None:
        self.events = list(events)

    @property
    def position(self) -> int:
        return self.events[-1].position if self.events else 0

    def read_log(self, after: int, limit: int, sparing: Collection[str] = ()) -> list[Recorded]:
        page = [event for event in self.events if event.position > after][:limit]
        last = {event.id: event for event in page}
        return [event for event in page if event.topic not in sparing or event is last[event.id]]

    def read_first(self, ids: Sequence[str]) -> list[Recorded]:
        return [event for event in self.events if event.version == 1 and event.id in ids]


class History:
    """Executions that are being recorded, in the order in which it happens."""

    def __init__(self) -> None:
        self.now = BEGINNING
        self.executions: list[Execution] = []
        self.log: list[Recorded] = []

    def stamp(self, workspace: str) -> Stamp:
        return Stamp(workspace, ACTOR, self.now)

    def save(self, aggregate: Execution | AgentName) -> None:
        """Record what is pending."""
        for event in aggregate.pending_events:
            stored = MAPPER.storable(event)
            self.log.append(
                Recorded(
                    len(self.log) + 1,
                    str(stored.originator_id),
                    stored.originator_version,
                    stored.topic,
                    stored.state,
                )
            )
        aggregate.pending_events.clear()

    def create(
        self, workspace: str = "acme", parent: Execution | None = None, **facts: Any
    ) -> Execution:
        """Record a new execution; ids count up."""
        id_ = f"{len(self.executions) + 1:027}"
        root = parent.root_execution_id if parent else id_
        given: dict[str, Any] = {
            "mode": "record",
            "agent_id": AGENTS[0][0],
            "agent_name": AGENTS[0][1],
            "agent_version_id": "",
            "user_id": "",
            "session_id": "",
            "trace_id": parent.trace_id if parent else f"{len(self.executions) + 1:032x}",
            "root_execution_id": root,
            "parent_execution_id": parent.id if parent else None,
            "input": {},
            "metadata": {},
        }
        execution = Execution.create(id_, self.stamp(workspace), given | facts)
        self.executions.append(execution)
        self.save(execution)
        return execution

    def do(self, execution: Execution, act: Callable[[Stamp], None]) -> None:
        """Record what an act on an execution records."""
        act(self.stamp(execution.workspace))
        self.save(execution)


def frame(event: type[e.Frame], **facts: Any) -> EncodedFrame:
    """A frame as the ledger takes it."""
    return EncodedFrame(event, encode(facts))


def usage_facts(model: str = "gpt-x", cost: str | None = "0.001", **counts: int) -> dict[str, Any]:
    """The facts of a usage event."""
    prompt, completion = counts.get("prompt_tokens", 0), counts.get("completion_tokens", 0)
    cost_usd = None if cost is None else Decimal(cost)
    totals = {"total_tokens": prompt + completion, "cost_usd": cost_usd}
    return {"model": model, **counts, **totals}


# Values.

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
short_words = st.sampled_from(["", "a", "b", "tenant-1", "100%", "it's", "\N{SNOWMAN}"])
hostile_texts = st.sampled_from(["\0", "a\0b", "x" * 5_000, "sha256:", "%", "_", "'; --", "null"])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
    short_words,
    hostile_texts,
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)
metadata = st.dictionaries(st.one_of(short_words, hostile_texts), json_values, max_size=3)
moments = st.none() | st.integers(0, 2 * 10**11).map(
    lambda n: BEGINNING + timedelta(microseconds=n)
)
costs = st.none() | st.decimals(0, 100, places=12, allow_nan=False).map(lambda cost: f"{cost:f}")


@st.composite
def usages(draw: st.DrawFn) -> dict[str, Any]:
    """The facts of a usage event whose counts can all be true."""
    prompt, completion = draw(st.integers(0, 10**6)), draw(st.integers(0, 10**6))
    return {
        **usage_facts(
            draw(st.sampled_from(MODELS)),
            draw(costs),
            prompt_tokens=prompt,
            completion_tokens=completion,
        ),
        "cached_tokens": draw(st.none() | st.integers(0, prompt)),
        "reasoning_tokens": draw(st.none() | st.integers(0, completion)),
        "provider": draw(st.sampled_from([None, "openai", "local"])),
        "occurred_at": draw(moments),
    }


# Histories.

ACTS: dict[type[Any], Callable[[st.DrawFn, Execution, Stamp], None]] = {
    e.Started: lambda draw, x, s: x.start(s, draw(short_words), draw(moments)),
    e.Thought: lambda draw, x, s: x.append(
        s, [frame(e.Thought, content=text) for text in draw(st.lists(texts, max_size=4))]
    ),
    e.ToolStarted: lambda draw, x, s: x.append(
        s, [frame(e.ToolStarted, id="1", name="search", input=draw(json_values))]
    ),
    e.ToolEnded: lambda draw, x, s: x.append(
        s, [frame(e.ToolEnded, id="1", name="search", output=draw(json_values))]
    ),
    e.ContentStreamed: lambda draw, x, s: x.append(
        s, [frame(e.ContentStreamed, content=draw(texts))]
    ),
    e.UsageRecorded: lambda draw, x, s: x.record_usage(s, draw(usages())),
    e.ApprovalRequested: lambda draw, x, s: x.request_approval(s, _approval(draw, x)),
    e.ApprovalSuperseded: lambda draw, x, s: x.supersede(
        s, x.approval.id if x.approval else "", _edit(draw, x)
    ),
    e.Approved: lambda draw, x, s: x.approve(s, x.approval.id if x.approval else "", None),
    e.Rejected: lambda draw, x, s: x.reject(s, x.approval.id if x.approval else "", draw(texts)),
    e.Denied: lambda draw, x, s: x.reject(s, x.approval.id if x.approval else "", draw(texts)),
    e.ApprovalExpired: lambda draw, x, s: x.expire(s, x.approval.id if x.approval else ""),
    e.CancellationRequested: lambda draw, x, s: x.cancel(s, draw(texts)),
    e.Cancelled: lambda draw, x, s: x.cancel(s, draw(texts), confirm=True),
    e.WorkerLost: lambda draw, x, s: x.lose_worker(s, None),
    e.Completed: lambda draw, x, s: x.complete(s, draw(json_objects), draw(moments)),
    e.Failed: lambda draw, x, s: x.fail(
        s,
        {"error": draw(texts), "error_code": draw(st.sampled_from(["error", "timeout"]))},
    ),
    e.Annotated: lambda draw, x, s: x.annotate(s, draw(metadata)),
    e.Scored: lambda draw, x, s: x.score(
        s, {"score_id": f"score-{x.version}", "name": "quality", "value": 0.5}
    ),
    e.ScoreRemoved: lambda draw, x, s: x.remove_score(s, min(x.scores)) if x.scores else None,
}
"""By the fact that is to be recorded, the act that records it; of a no, that or the other one."""


def _approval(draw: st.DrawFn, execution: Execution) -> dict[str, Any]:
    held_back = draw(st.booleans())
    payload = {"output": draw(json_objects)} if held_back else draw(json_objects)
    return {
        "approval_id": f"{execution.id[:-4]}{execution.version:04}",
        "checkpoint_name": "review",
        "payload": payload,
        "payload_digest": "digest",
        "held_back": held_back,
        "expires_at": draw(moments),
        "on_reject": draw(st.sampled_from([None, "end", "resume"])),
    }


def _edit(draw: st.DrawFn, execution: Execution) -> dict[str, Any]:
    return {
        "approval_id": f"{execution.id[:-4]}{execution.version:04}",
        "payload": {"output": draw(json_objects)},
        "payload_digest": "another digest",
        "reason": draw(st.none() | texts),
    }


def create(draw: st.DrawFn, history: History) -> Execution:
    workspace = draw(st.sampled_from(WORKSPACES))
    relatives = [None, *(each for each in history.executions if each.workspace == workspace)]
    agent_id, agent_name = draw(st.sampled_from(AGENTS))
    return history.create(
        workspace,
        relatives[draw(st.integers(0, len(relatives) - 1))],
        agent_id=agent_id,
        agent_name=agent_name,
        agent_version_id=draw(st.sampled_from(["", "version-1"])),
        user_id=draw(short_words),
        session_id=draw(short_words),
        input=draw(json_objects),
        metadata=draw(metadata),
        occurred_at=draw(moments),
    )


def _repricing(draw: st.DrawFn, history: History, execution: Execution) -> dict[str, Any] | None:
    """The facts of a new price for a model call of an execution; None when it made none."""
    own = [event for event in history.log if event.id == execution.id]
    calls = [event for event in own if event.topic == e.UsageRecorded.TOPIC]
    if not calls:
        return None
    call = calls[draw(st.integers(0, len(calls) - 1))]
    facts = call.facts
    latest = [
        event.facts["cost_usd"]
        for event in own
        if event.topic == e.UsageRepriced.TOPIC and event.facts["sequence"] == call.version
    ]
    before = latest[-1] if latest else facts.get("cost_usd")
    return {
        "sequence": call.version,
        "model": facts["model"],
        "total_tokens": facts["total_tokens"],
        "spent_at": facts.get("occurred_at") or call.at,
        "cost_usd": Decimal(draw(st.decimals(0, 100, places=12, allow_nan=False))),
        "previous_cost_usd": None if before is None else Decimal(before),
        "price": PriceUsed(source="workspace"),
        "reason": draw(texts),
    }


def reprice(draw: st.DrawFn, history: History, execution: Execution) -> None:
    """Price one of its model calls anew, if it made any."""
    facts = _repricing(draw, history, execution)
    if facts is not None:
        history.do(execution, lambda stamp: execution.reprice(stamp, facts))


def _act(draw: st.DrawFn, history: History) -> None:
    execution = history.executions[draw(st.integers(0, len(history.executions) - 1))]
    allowed = [event for event, row in LIFECYCLE.items() if execution.status in row.sources]
    kind = draw(st.sampled_from(allowed))
    if kind is e.UsageRepriced:
        reprice(draw, history, execution)
        return
    act = ACTS[kind]
    history.do(execution, lambda stamp: act(draw, execution, stamp))


@st.composite
def histories(draw: st.DrawFn, max_executions: int = 5, max_acts: int = 25) -> list[Recorded]:
    """A log of a few executions, their events interleaved, other aggregates among them."""
    history = History()
    creations = draw(st.integers(1, max_executions))
    for _ in range(draw(st.integers(creations, max_acts))):
        history.now += timedelta(microseconds=draw(st.sampled_from([0, 1, 10**6])))
        if len(history.executions) < creations and (not history.executions or draw(st.booleans())):
            if not history.executions:
                history.save(AgentName.claim(history.stamp("acme"), "Writer", "agent-1"))
            create(draw, history)
        else:
            _act(draw, history)
    return history.log


def started(history: History, execution: Execution) -> Execution:
    """An execution that somebody works on."""
    history.do(execution, lambda stamp: execution.start(stamp, "worker-1"))
    assert execution.status is Status.RUNNING
    return execution
