"""A program that uses the published client and knows nothing of this project but an address.

Run with the client of some version on the path: `python published_client.py URL`. It asserts what a
user would rely on, in both clients, the blocking one and the asyncio one.
"""

import asyncio
import inspect
import sys
from collections.abc import Callable
from typing import Any

from promptrails import AsyncPromptRails, PromptRails, agent_config
from promptrails.exceptions import NotFoundError, PromptRailsError, ValidationError


async def settle(value: Any) -> Any:
    """The value, whether the client blocked for it or gave an awaitable."""
    return await value if inspect.isawaitable(value) else value


async def events_of(stream: Any) -> list[Any]:
    """All events of a stream."""
    if hasattr(stream, "__aiter__"):
        return [event async for event in stream]
    return list(stream)


async def refusal(call: Callable[[], Any]) -> Any:
    """The error that a call must end with."""
    try:
        await settle(call())
    except PromptRailsError as error:
        return error
    message = "this was not refused"
    raise AssertionError(message)


def a_config(**more: Any) -> Any:
    """A version's configuration, in the words of this client's generation."""
    if hasattr(agent_config, "SimpleAgentConfig"):
        return agent_config.SimpleAgentConfig(prompt_id="p1", **more)
    return agent_config.PromptAgentConfig(prompt_id="p1")


async def use_agents(client: Any, name: str) -> None:
    """Everything the client offers for agents."""
    agents = client.agents
    agent = await settle(agents.create(name=name, type="agent", description="Answers"))
    assert (agent.name, agent.status, agent.current_version) == (name, "active", None)
    assert (await settle(agents.get(agent.id))).description == "Answers"
    renamed = await settle(agents.update(agent.id, description="Answers questions"))
    assert renamed.description == "Answers questions"
    schema = {"type": "object", "required": ["q"], "properties": {"q": {"type": "string"}}}
    first = await settle(
        agents.create_version(
            agent.id, version="1.0.0", config=a_config(), input_schema=schema, message="first"
        )
    )
    second = await settle(agents.create_version(agent.id, version="1.1.0", config=a_config()))
    assert first.is_current
    assert not second.is_current
    await settle(agents.promote_version(agent.id, second.id))
    versions = await settle(agents.list_versions(agent.id))
    assert [(v.version, v.is_current) for v in versions] == [("1.1.0", True), ("1.0.0", False)]
    shown = await settle(agents.get(agent.id))
    assert shown.current_version.id == second.id
    page = await settle(agents.list(name=name))
    assert [a.id for a in page.data] == [agent.id]
    assert (page.meta.total, page.meta.pages) == (1, 1)
    preview = await settle(agents.preview(agent.id, input={"q": "x"}, version_id=first.id))
    assert preview
    rail = await settle(agents.create_guardrail(agent.id, type="input", scanner_type="pii"))
    assert [g.id for g in await settle(agents.list_guardrails(agent.id))] == [rail.id]
    await refuse_bad_input(agents, agent.id, first.id)
    await settle(agents.delete(agent.id))
    assert (await settle(agents.get(agent.id))).status == "archived"


async def refuse_bad_input(agents: Any, agent_id: str, version_id: str) -> None:
    """A bad input is the client's ValidationError, at once, with the path."""
    bad = {"q": 7}
    error = await refusal(lambda: agents.execute(agent_id, input=bad, version_id=version_id))
    assert isinstance(error, ValidationError)
    assert error.code == "invalid_input"
    assert error.details["violations"][0]["path"] == "input.q"


async def use_executions(client: Any) -> str:
    """Execute a real agent, look it up, list it, stream it. Gives its trace id."""
    page = await settle(client.agents.list(name="order-support"))
    agent = page.data[0]
    question = {"question": "Where is order 10079?"}
    done = await settle(client.agents.execute(agent.id, input=question, session_id="s-1"))
    assert done.status == "completed", done
    assert done.output["answer"]
    run = await settle(client.executions.get(done.execution_id))
    assert (run.input, run.output, run.session_id) == (question, done.output, "s-1")
    assert run.created_at.endswith("Z")
    listed = await settle(client.executions.list(agent_id=agent.id, status="completed", limit=5))
    assert done.execution_id in [e.id for e in listed.data]
    assert listed.meta.total >= 1
    events = await events_of(client.executions.stream(done.execution_id))
    assert [event.type for event in events] == ["done"]
    assert events[0].output == done.output
    later = await settle(client.agents.execute(agent.id, input=question, sync=False))
    assert later.status == "pending"
    events = await events_of(client.executions.stream(later.execution_id))
    assert events[-1].type == "done"
    error = await refusal(lambda: client.executions.get("0" * 27))
    assert isinstance(error, NotFoundError)
    return str(done.trace_id)


async def parked_refund(client: Any) -> str:
    """An execution that waits for a human."""
    agent = (await settle(client.agents.list(name="refund"))).data[0]
    refund = {"order_id": "10066", "reason": "damaged"}
    parked = await settle(client.agents.execute(agent.id, input=refund))
    assert parked.status == "awaiting_approval", parked
    return str(parked.execution_id)


async def finished(client: Any, execution_id: str) -> Any:
    """Wait for the end as existing programs do: by the stream's last event."""
    await events_of(client.executions.stream(execution_id))
    return await settle(client.executions.get(execution_id))


async def use_approvals(client: Any) -> None:
    """The old generation: a resource of approvals."""
    yes, no = await parked_refund(client), await parked_refund(client)
    page = await settle(client.approvals.list(status="pending"))
    waiting = {a.execution_id: a for a in page.data}
    assert {yes, no} <= set(waiting)
    approval = await settle(client.approvals.get(waiting[yes].id))
    assert approval.payload
    decided = await settle(client.approvals.decide(approval.id, decision="approved", reason="ok"))
    assert (decided.status, decided.reason) == ("approved", "ok")
    assert decided.decided_by
    assert (await finished(client, yes)).status == "completed"
    error = await refusal(lambda: client.approvals.decide(approval.id, decision="rejected"))
    assert error.code == "already_decided"
    await settle(client.approvals.decide(waiting[no].id, decision="rejected", reason="no"))
    assert (await finished(client, no)).status == "rejected"


async def use_inbox(client: Any) -> None:
    """The new generation: approvals by way of executions, and the tree, and cancellation."""
    yes, no, stopped = [await parked_refund(client) for _ in range(3)]
    inbox = await settle(client.executions.approval_inbox())
    assert {yes, no, stopped} <= {e.id for e in inbox.data}
    await settle(client.executions.approve(yes, reason="ok"))
    assert (await finished(client, yes)).status == "completed"
    denied = await settle(client.executions.deny(no, reason="too much"))
    assert denied.status == "rejected"
    cancelled = await settle(client.executions.cancel(stopped))
    assert cancelled.status == "cancelled"
    tree = await settle(client.executions.tree(yes))
    assert (tree.id, tree.children) == (yes, [])


async def use_money_and_scores(client: Any, trace_id: str) -> None:
    """The old generation: costs, scores and their configurations, sessions, dashboard."""
    statistics = (await settle(client.agents.list(name="text-statistics"))).data[0]
    priced = await settle(client.agents.execute(statistics.id, input={"text": "one two three"}))
    assert priced.status == "completed", priced
    assert priced.cost > 0
    summary = await settle(client.costs.get_summary())
    assert summary.total_cost >= priced.cost
    assert summary.total_executions > 0
    assert summary.daily_costs[-1]["executions"] > 0
    of_agent = await settle(client.costs.get_agent_summary(statistics.id))
    assert 0 < of_agent.total_cost <= summary.total_cost
    scores = client.scores
    score = await settle(scores.create(trace_id=trace_id, name="helpful", value=0.75, comment="ok"))
    assert (await settle(scores.get(score.id))).value == 0.75
    changed = await settle(scores.update(score.id, value=1.0))
    assert (changed.id, changed.value) == (score.id, 1.0)
    listed = await settle(scores.list(trace_id=trace_id, name="helpful"))
    assert [s.id for s in listed.data] == [score.id]
    aggregates = await settle(scores.get_aggregates(name="helpful", trace_id=trace_id))
    assert [(a.name, a.count, a.avg) for a in aggregates] == [("helpful", 1, 1.0)]
    await settle(scores.delete(score.id))
    assert (await settle(scores.list(trace_id=trace_id))).data == []
    config = await settle(scores.create_config(name="helpful", min_value=0, max_value=1))
    assert config.id in [c.id for c in (await settle(scores.list_configs())).data]
    await settle(scores.update_config(config.id, description="How helpful"))
    assert (await settle(scores.get_config(config.id))).description == "How helpful"
    await settle(scores.delete_config(config.id))
    assert "s-1" in [s.session_id for s in (await settle(client.sessions.list())).data]
    assert (await settle(client.sessions.get("s-1"))).trace_count > 0
    metrics = await settle(client.dashboard.get_metrics(days=7))
    assert metrics.overview["total_executions"] > 0


async def use_traces(client: Any, trace_id: str) -> None:
    """The spans of a run."""
    spans = await settle(client.traces.get_by_trace_id(trace_id))
    assert [span.kind for span in spans if not span.parent_span_id] == ["agent"]
    assert any(span.kind == "tool" for span in spans)
    listed = await settle(client.traces.list(trace_id=trace_id))
    assert listed.meta.total == len(spans)
    if hasattr(client.traces, "get_summary"):
        summary = await settle(client.traces.get_summary(date_from="2020-01-01"))
        assert summary.total_traces > 0


async def use(client: Any, name: str) -> None:
    """Everything this client offers for what we are."""
    await use_agents(client, name)
    trace_id = await use_executions(client)
    await use_traces(client, trace_id)
    if hasattr(client, "approvals"):
        await use_approvals(client)
        await use_money_and_scores(client, trace_id)
    if hasattr(client.executions, "approval_inbox"):
        await use_inbox(client)


async def main(url: str) -> None:
    """Both clients, one after the other."""
    with PromptRails("any", base_url=url) as blocking:
        await use(blocking, "scribe-1")
    async with AsyncPromptRails("any", base_url=url) as client:
        await use(client, "scribe-2")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
