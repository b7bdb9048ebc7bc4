"""The histories that golden files are made of. Between them they record every topic there is."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from ledger import commands as c
from ledger.approval_policy import ApprovalPolicy
from ledger.digest import digest_of
from ledger.event import Actor
from ledger.frames import FRAMES, steps_of
from ledger.mapper import Recorded
from ledger.orders import Receipt
from ledger.role import Role
from ledger.strict_json import decode
from ledger.unit import Policy
from ledger.usage import Price, PriceUsed
from tests.given import NOON
from tests.recording import HandClock, Recording, recording

POLICY: Final = Policy(
    {"gpt-x": Price(input=Decimal("2.50"), output=Decimal(10), source="table")},
    approval_ttl=timedelta(hours=24),
)

GRACE: Final = Actor(type="user", id="key-2", auth="api_key", name="Grace")

FRAMES_SENT: Final = b"""[
    {"type": "thinking", "content": "Where was I?"},
    {"type": "tool_start", "id": "call_1", "name": "search", "input": {"top": 1.10}},
    {"type": "tool_end", "id": "call_1", "name": "search", "summary": "1 hit", "output": [1e400]},
    {"type": "usage", "model": "gpt-x", "prompt_tokens": 1200, "completion_tokens": 80,
     "cached_tokens": 1000, "raw": {"prompt_tokens": 1200}, "duration_ms": 940},
    {"type": "usage", "model": "unheard-of", "prompt_tokens": 7},
    {"type": "content", "content": "Sn\\u2603w\\u0000", "at": "2026-01-31T11:59:59.5+00:00"}
]"""

RAW_USAGE: Final = b"""[
    {"type": "usage", "model": "house-1", "provider": "anthropic", "raw": {
        "input_tokens": 100, "output_tokens": 50, "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 20, "service_tier": "batch",
        "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}}},
    {"type": "usage", "model": "house-1", "provider": "openrouter", "raw": {
        "prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14, "cost": 0.00125}}
]"""


class Story:
    """Commands one after the other, a second apart."""

    def __init__(self, open_: Recording, clock: HandClock) -> None:
        self._open = open_
        self._clock = clock

    def tell(self, command: c.Command, **caller: Any) -> Receipt:
        """Give the next command."""
        self._clock.advance(1)
        return self._open.do(command, request="request-1", **caller)


def an_approved_run(story: Story) -> None:
    """A run that lost a worker, streamed, was priced, asked, was told yes, and was judged."""
    create = c.CreateExecution(
        mode="execute",
        input=decode(b'{"question":"why?","temperature":0.70,"_type_":"x","_data_":"y"}'),
        agent_name="Writer",
        metadata={"tenant": "t-1"},
        session_id="session-1",
        user_id="user-1",
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    )
    run = story.tell(create, key="key-1", digest="sha256:0").id
    story.tell(c.Start(run, "worker-1"))
    story.tell(c.LoseWorker(run, most_attempts=3, last_heard=NOON))
    story.tell(c.Start(run, "worker-2", NOON + timedelta(seconds=4)))
    story.tell(c.Append(run, steps_of(FRAMES.validate_python(decode(FRAMES_SENT)))))
    story.tell(c.RequestApproval(run, "send", {"to": "ada@example.org"}))
    story.tell(c.Decide(run, approve=True, reason="go on"))
    story.tell(c.Start(run, "worker-2"))
    story.tell(c.Complete(run, decode(b'{"answer":42.0}')))
    story.tell(c.Annotate(run, {"ticket": "T-7"}))
    score = story.tell(c.Score(run, {"name": "quality", "value": 0.9, "comment": "fine"})).subject
    assert score is not None
    story.tell(c.Score(run, {"name": "quality", "value": 0.8}, score))
    story.tell(c.RemoveScore(run, score))


def many_endings(story: Story) -> None:
    """An agent with versions, runs of it that ended in every other way, and all else."""
    agent = story.tell(c.RegisterAgent("Critic", "simple", "judges", ["prose"])).id
    version = {"version": "1.0", "config": {"approval_required": True}, "given": {"tools": []}}
    schema = {"type": "object", "required": ["text"]}
    story.tell(c.AddVersion(agent, {**version, "input_schema": schema, "message": "first"}))
    facts = {"type": "input", "scanner_type": "pii", "action": "block", "config": {}}
    story.tell(c.AddGuardrail(agent, {**facts, "is_active": True, "sort_order": 1}))
    runs = [story.tell(_run_of(agent)).id for _ in range(6)]
    for run in runs:
        story.tell(c.Start(run, "worker-1"))
    approvals = [story.tell(c.Complete(run, {"verdict": "good"})).subject or "" for run in runs[:3]]
    story.tell(c.Decide(runs[0], approve=True))
    story.tell(c.Decide(runs[1], approve=False, reason="no"))
    story.tell(c.ExpireApproval(runs[2], approvals[2]))
    story.tell(c.Fail(runs[3], "boom", "timeout", "TimeoutError", "Traceback ..."))
    story.tell(c.Cancel(runs[4], "too slow"))
    story.tell(c.Cancel(runs[4], confirm=True))
    story.tell(c.LoseWorker(runs[5], most_attempts=1))
    _everything_else(story, agent)


_NO_SCHEMA: Final = {"input_schema": {}, "message": "", "given": {}}


def a_leased_run(story: Story) -> None:
    """A run under the terms of its version: given away, lost, given to another, and resumed."""
    agent = story.tell(c.RegisterAgent("Clerk")).id
    config = {"max_attempts": 5, "retry_backoff_s": 1.5, "max_duration_s": 600}
    story.tell(c.AddVersion(agent, {"version": "1", "config": config, **_NO_SCHEMA}))
    run = story.tell(c.CreateExecution(mode="execute", input={"n": 1}, agent_id=agent)).id
    story.tell(c.Claim(run, "worker-1", "a" * 64))
    story.tell(c.LoseWorker(run, most_attempts=3, last_heard=NOON, lease="a" * 64))
    story.tell(c.Claim(run, "worker-2", "b" * 64))
    story.tell(c.RequestApproval(run, "send", {"n": 1}, lease="b" * 64))
    story.tell(c.Decide(run, approve=True))
    story.tell(c.Start(run, "worker-2", lease="b" * 64))
    story.tell(c.Complete(run, {"n": 2}, lease="b" * 64))


def given_back(story: Story) -> None:
    """A run that one worker gave back and another lost, which was one loss."""
    agent = story.tell(c.RegisterAgent("Clerk")).id
    run = story.tell(c.CreateExecution(mode="execute", input={"n": 1}, agent_id=agent)).id
    story.tell(c.Claim(run, "worker-1", "a" * 64))
    story.tell(c.LoseWorker(run, most_attempts=1, lease="a" * 64, in_good_order=True))
    story.tell(c.Claim(run, "worker-2", "b" * 64))
    story.tell(c.LoseWorker(run, most_attempts=1, last_heard=NOON, lease="b" * 64))


def _run_of(agent: str) -> c.CreateExecution:
    return c.CreateExecution(mode="record", input={"text": "Lorem"}, agent_id=agent)


def _everything_else(story: Story, agent: str) -> None:
    story.tell(c.ChangeAgent(agent, {"name": "Judge", "labels": ["prose", "verse"]}))
    story.tell(c.ChangeAgent(agent, {"name": "Critic"}))
    story.tell(c.ArchiveAgent(agent))
    key = story.tell(c.CreateKey("ci", Role.WORKER, "acme", "d" * 64)).id
    story.tell(c.RevokeKey(key))
    quality = {"name": "quality", "data_type": "numeric", "min_value": 0.0, "max_value": 1.0}
    config = {**quality, "categories": [], "description": "", "is_active": True}
    made = story.tell(c.CreateScoreConfig(config)).id
    story.tell(c.ChangeScoreConfig(made, {"max_value": 5.0}))
    story.tell(c.RemoveScoreConfig(made))


def edited_and_denied(story: Story) -> None:
    """Runs whose approvals were edited, decided by a role, and denied without an end."""
    agent = story.tell(c.RegisterAgent("Payer")).id
    policy: dict[str, Any] = {
        "required_role": "operator",
        "not_requester": True,
        "on_reject": "resume",
    }
    version = {"version": "1.0", "config": {"approval_required": True}, "input_schema": {}}
    given = {"approval_policy": {**policy, "expires_in_s": 3600}}
    story.tell(c.AddVersion(agent, {**version, "given": given}))
    held, paid = [story.tell(_run_of(agent)).id for _ in range(2)]
    for run in (held, paid):
        story.tell(c.Start(run, "worker-1"))
    first = story.tell(c.Complete(held, {"amount": "120.00"})).subject or ""
    edit = {"output": {"amount": "12.00"}}
    story.tell(c.SupersedeApproval(held, first, edit, "a comma too far"))
    decider: dict[str, Any] = {"actor": GRACE, "role": Role.OPERATOR}
    shown = digest_of(edit)
    story.tell(c.Decide(held, approve=True, reason="right", payload_digest=shown), **decider)
    asked = c.RequestApproval(paid, "pay", {"amount": "7.00"}, policy=ApprovalPolicy(**policy))
    story.tell(asked)
    story.tell(c.Decide(paid, approve=False, reason="too much"), **decider)
    again = story.tell(asked).subject or ""
    story.tell(c.ExpireApproval(paid, again))
    story.tell(c.Fail(paid, "nobody would pay"))


def prices_of_its_own(story: Story) -> None:
    """A workspace that states prices, ends one, and reads what a provider said by them."""
    early = Price(input=Decimal(2), output=Decimal(8), source="workspace")
    late = early.model_copy(update={"cached_input": Decimal("0.2"), "cache_creation": Decimal(3)})
    story.tell(c.SetPrice("house-1", early, note="as agreed"))
    second = story.tell(c.SetPrice("house-1", late, valid_until=NOON + timedelta(days=30))).subject
    assert second is not None
    run = story.tell(c.CreateExecution(mode="record", input={}, agent_name="Writer")).id
    story.tell(c.Start(run, "worker-1"))
    story.tell(c.Append(run, steps_of(FRAMES.validate_python(decode(RAW_USAGE)))))
    story.tell(c.EndPrice("house-1", second, NOON + timedelta(days=1)))


def a_repriced_run(story: Story) -> None:
    """A run that ended without anybody knowing its price, until somebody said it."""
    run = story.tell(c.CreateExecution(mode="record", input={}, agent_name="Writer")).id
    story.tell(c.Start(run, "worker-1"))
    report = b'[{"type": "usage", "model": "unheard-of", "prompt_tokens": 7}]'
    story.tell(c.Append(run, steps_of(FRAMES.validate_python(decode(report)))))
    ended = story.tell(c.Complete(run, {}))
    for before, cost in ((None, Decimal("0.000014")), (Decimal("0.000014"), Decimal("0.000021"))):
        change = {
            "sequence": 3,
            "model": "unheard-of",
            "total_tokens": 7,
            "spent_at": NOON + timedelta(seconds=3),
            "cost_usd": cost,
            "previous_cost_usd": before,
            "price": PriceUsed(input=Decimal(2), output=Decimal(8), source="workspace"),
        }
        version = ended.version + (before is not None)
        story.tell(c.RepriceUsage(run, version, [change], "the contract came"))


def a_spent_budget(story: Story) -> None:
    """A run and its child that spend from one budget, until the child crosses its limit."""
    agent = story.tell(c.RegisterAgent("Spender")).id
    budget = {"max_cost": "0.01", "max_tool_calls": 5, "max_depth": 1}
    version = {"version": "1", "config": {}, "input_schema": {}, "given": {"run_budget": budget}}
    story.tell(c.AddVersion(agent, version))
    root = story.tell(c.CreateExecution(mode="execute", input={}, agent_id=agent)).id
    story.tell(c.Start(root, "worker-1"))
    child = c.CreateExecution(
        mode="execute", input={}, agent_name="Writer", parent_execution_id=root
    )
    child_id = story.tell(child).id
    story.tell(c.Start(child_id, "worker-2"))
    report = b'[{"type": "usage", "model": "gpt-x", "prompt_tokens": 3000}]'
    for _ in range(2):
        story.tell(c.Append(child_id, steps_of(FRAMES.validate_python(decode(report)))))


def a_spent_day(story: Story) -> None:
    """A workspace with budgets of the day: one that ended, and one that stops a user's run."""
    story.tell(c.SetBudget("user", max_cost=Decimal("0.005"), note="each of them"))
    gone = story.tell(c.SetBudget("workspace", max_total_tokens=10**6)).subject
    assert gone is not None
    story.tell(c.EndBudget(gone))
    create = c.CreateExecution(mode="record", input={}, agent_name="Writer", user_id="ada")
    run = story.tell(create).id
    story.tell(c.Start(run, "worker-1"))
    report = b'[{"type": "usage", "model": "gpt-x", "prompt_tokens": 3000}]'
    story.tell(c.Append(run, steps_of(FRAMES.validate_python(decode(report)))))


def a_raised_budget(story: Story) -> None:
    """A run that asks a human for more money before its budget is spent, and gets it."""
    agent = story.tell(c.RegisterAgent("Spender")).id
    budget = {"max_cost": "0.01", "ask_at": "0.005", "raise_by": "0.02"}
    version = {"version": "1", "config": {}, "input_schema": {}, "given": {"run_budget": budget}}
    story.tell(c.AddVersion(agent, version))
    run = story.tell(c.CreateExecution(mode="execute", input={}, agent_id=agent)).id
    story.tell(c.Start(run, "worker-1"))
    report = b'[{"type": "usage", "model": "gpt-x", "prompt_tokens": 3000}]'
    told = story.tell(c.Append(run, steps_of(FRAMES.validate_python(decode(report)))))
    assert told.budget is not None
    policy = ApprovalPolicy(on_reject="resume")
    story.tell(c.RequestApproval(run, "budget", told.budget["ask"], policy=policy))
    story.tell(c.Decide(run, approve=True, reason="worth it"), actor=GRACE)
    story.tell(c.Start(run, "worker-1"))


STORIES: Final[Mapping[str, Callable[[Story], None]]] = {
    "an-approved-run": an_approved_run,
    "many-endings": many_endings,
    "a-leased-run": a_leased_run,
    "edited-and-denied": edited_and_denied,
    "given-back": given_back,
    "prices-of-its-own": prices_of_its_own,
    "a-repriced-run": a_repriced_run,
    "a-spent-budget": a_spent_budget,
    "a-spent-day": a_spent_day,
    "a-raised-budget": a_raised_budget,
}


def record(tell: Callable[[Story], None]) -> list[Recorded]:
    """What is recorded when a story is told to an empty ledger."""
    clock = HandClock()
    with (
        TemporaryDirectory() as folder,
        recording(Path(folder), clock=clock, policy=POLICY) as open_,
    ):
        tell(Story(open_, clock))
        return open_.log()
