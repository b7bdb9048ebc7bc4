"""Every resource, by both clients, over a socket."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ledger_client import BadRequest, NotFound, TimedOut
from ledger_client.models import Execution
from tests.integration.client.both import all_of, settle

QUESTION = {"question": "Where is order 10079?"}
PARKS = {"order_id": "10066", "reason": "damaged"}


async def agent_id(client: Any, name: str) -> str:
    page = await settle(client.agents.list(name=name))
    return str(page.data[0].id)


async def ran(client: Any, name: str = "order-support", **more: Any) -> Any:
    more.setdefault("input", QUESTION)
    return await settle(client.agents.execute(await agent_id(client, name), **more))


async def test_an_agent_is_run_and_its_run_is_read(client: Any) -> None:
    result = await ran(client, metadata={"ticket": "T-1"}, session_id="s-1", user_id="u-1")

    run = await settle(client.executions.get(execution_id=result["data"]["id"]))

    assert isinstance(run, Execution)
    assert (run.status, run.is_terminal, run.input) == ("completed", True, QUESTION)
    assert run.output == result["data"]["output"] == result.output
    assert (run.metadata, run.session_id, run.user_id) == ({"ticket": "T-1"}, "s-1", "u-1")


async def test_a_run_that_is_not_waited_for_is_waited_for_later(client: Any) -> None:
    pending = await ran(client, async_mode=True)

    run = await settle(client.executions.wait(pending.execution_id, timeout=20, poll_seconds=0.02))

    assert (run.id, run.status) == (pending.id, "completed")


async def test_waiting_ends_with_the_patience(client: Any) -> None:
    parked = await ran(client, "refund", input=PARKS)

    with pytest.raises(TimedOut, match="awaiting_approval"):
        await settle(client.executions.wait(parked.id, timeout=0.05, poll_seconds=0.02))
    await settle(client.executions.cancel(parked.id))


async def test_waiting_ends_with_a_cancellation_and_with_a_denial(client: Any) -> None:
    stopped, denied = [await ran(client, "refund", input=PARKS) for _ in range(2)]

    await settle(client.executions.cancel(stopped.id, reason="enough"))
    await settle(client.executions.deny(denied.id, reason="too much"))

    assert (await settle(client.executions.wait(stopped.id))).status == "cancelled"
    assert (await settle(client.executions.wait(denied.id))).status == "rejected"


async def test_one_key_runs_an_agent_once(client: Any) -> None:
    key = f"key-{type(client).__name__}"

    first, second = [await ran(client, idempotency_key=key) for _ in range(2)]

    assert first.id == second.id


async def test_an_input_that_the_schema_forbids_is_a_bad_request(client: Any) -> None:
    with pytest.raises(BadRequest) as refusal:
        await ran(client, input={"question": 7})

    assert refusal.value.code == "invalid_input"
    assert refusal.value.details["violations"][0]["path"] == "input.question"


async def test_what_is_not_there_is_not_found(client: Any) -> None:
    with pytest.raises(NotFound):
        await settle(client.executions.get("0" * 27))


async def test_runs_are_found_by_what_was_said_about_them(client: Any) -> None:
    tier = f"tier-{type(client).__name__}"
    run = await ran(client, metadata={"tier": tier})

    found = await settle(client.executions.list(metadata={"tier": tier}, status=["completed"]))
    other = await settle(client.executions.list(metadata={"tier": tier}, min_cost=1000))

    assert [each.id for each in found] == [run.id]
    assert (found.meta.total, list(other)) == (1, [])


async def test_a_list_is_walked_to_its_end(client: Any) -> None:
    session = f"walk-{type(client).__name__}"
    runs = [await ran(client, session_id=session, async_mode=True) for _ in range(5)]

    walked = await all_of(client.executions.iterate(session_id=session, limit=2, fields="id"))

    assert [each.id for each in walked] == [each.id for each in reversed(runs)]


async def test_the_history_and_the_past_of_a_run_are_read(client: Any) -> None:
    run = await ran(client)

    events = await settle(client.executions.events(run.id, type=["created", "completed"]))
    before = await settle(client.executions.at(run.id, 1))
    tree = await settle(client.executions.tree(run.id))

    assert [each.type for each in events] == ["created", "completed"]
    assert events[0].actor["type"] == "user"
    assert (before.status, tree.id, tree.children) == ("pending", run.id, [])


async def test_a_human_decides_by_the_run(client: Any) -> None:
    parked = await ran(client, "refund", input=PARKS)

    inbox = await settle(client.executions.approval_inbox())
    asked = await settle(client.executions.pending_approval(parked.id))
    await settle(client.executions.approve(parked.id, reason="seen"))

    assert parked.id in [each.id for each in inbox]
    assert asked.payload
    assert (await settle(client.executions.wait(parked.id, 20, 0.02))).status == "completed"


async def test_a_human_decides_by_the_request(client: Any) -> None:
    parked = await ran(client, "refund", input=PARKS)
    waiting = await all_of(client.approvals.iterate(status="pending"))
    approval = next(each for each in waiting if each.execution_id == parked.id)

    decided = await settle(client.approvals.decide(approval.id, decision="rejected", reason="no"))

    assert (decided.status, decided.reason) == ("rejected", "no")
    assert (await settle(client.approvals.get(approval.id))).decided_by
    with pytest.raises(BadRequest) as refusal:
        await settle(client.approvals.decide(approval.id, decision="approved"))
    assert refusal.value.code == "already_decided"


async def test_a_human_decides_on_what_was_looked_at_and_on_nothing_else(client: Any) -> None:
    parked = await ran(client, "refund", input=PARKS)
    first = await settle(client.executions.pending_approval(parked.id))

    second = await settle(
        client.approvals.supersede(first.id, payload={**first.payload, "amount_usd": "1.00"})
    )
    with pytest.raises(BadRequest):
        await settle(client.executions.approve(parked.id, payload_digest=first.payload_digest))
    decided = await settle(
        client.approvals.decide(
            second.id, decision="rejected", payload_digest=second.payload_digest
        )
    )

    assert (second.supersedes, decided.status) == (first.id, "rejected")


async def test_agents_and_their_versions_are_managed(client: Any) -> None:
    agents, name = client.agents, f"scribe-{type(client).__name__}"
    agent = await settle(agents.create(name=name, description="Answers"))
    schema = {"type": "object", "required": ["q"]}
    first = await settle(
        agents.create_version(agent.id, version="1", config={"m": 1}, input_schema=schema)
    )
    second = await settle(agents.create_version(agent.id, version="2", tools=["t"]))

    await settle(agents.promote_version(agent.id, second.id))
    renamed = await settle(agents.update(agent.id, description="Writes"))
    tried = await settle(agents.preview(agent.id, input={"q": 1}, version_id=first.id))
    rail = await settle(agents.create_guardrail(agent.id, type="input", scanner_type="pii"))

    versions = await settle(agents.list_versions(agent.id))
    assert [(each.version, each.is_current) for each in versions] == [("2", True), ("1", False)]
    assert (renamed.description, renamed.current_version.id) == ("Writes", second.id)
    assert tried.valid
    assert [each.id for each in await settle(agents.list_guardrails(agent.id))] == [rail.id]
    await settle(agents.delete(agent.id))
    assert (await settle(agents.get(agent.id))).status == "archived"


async def test_costs_are_asked_for(client: Any) -> None:
    text = {"text": "one two three"}
    run = await ran(client, "text-statistics", input=text, session_id="paid")

    everything = await settle(client.costs.summary(from_date="2020-01-01"))
    of_agent = await settle(client.costs.agent(run.agent_id))
    groups = await settle(client.costs.groups(["model", "session"], session_id="paid"))

    assert 0 < run.cost <= of_agent.total_cost <= everything.total_cost
    assert [(each.model, each["session"]) for each in groups] == [("local-rules-1", "paid")]


async def test_prices_are_stated_and_what_was_spent_is_priced_anew(client: Any) -> None:
    model, session = f"m-{type(client).__name__}", f"priced-{type(client).__name__}"
    run = await recorded(client, model, session)
    unknown = [each.model for each in await settle(client.prices.unknown())]

    price = await settle(client.prices.set(model, input="0.50", output=2, note="list price"))
    tried = await settle(client.prices.reprice(dry_run=True, session_id=session))
    done = await settle(client.prices.reprice(reason="stated", metadata={"session": session}))
    ended = await settle(client.prices.end(price.id, valid_until=datetime(2030, 1, 1, tzinfo=UTC)))

    assert model in unknown
    assert (price.input, price.output, price.note) == ("0.50", "2", "list price")
    assert (tried.dry_run, tried.repriced, done.repriced) == (True, 1, 1)
    (difference,) = done.differences
    assert (difference.model, difference.cost_usd) == (model, "0.0007")
    assert (await settle(client.executions.get(run))).cost_usd == "0.0007"
    assert ended.valid_until.startswith("2030-01-01")
    assert [each.id for each in await all_of(client.prices.iterate(model=model))] == [price.id]


async def test_a_price_of_nonsense_is_a_bad_request(client: Any) -> None:
    with pytest.raises(BadRequest, match="input"):
        await settle(client.prices.set("m", input="cheap", output=1))
    with pytest.raises(BadRequest, match="reason"):
        await settle(client.prices.reprice())


async def test_totals_are_grouped_and_filtered_by_metadata(client: Any) -> None:
    session = f"totals-{type(client).__name__}"
    await recorded(client, "m-totals", session)

    (row,) = await settle(
        client.costs.totals(["model", "metadata.session"], metadata={"session": session})
    )

    assert (row.model, row["metadata.session"], row.total_tokens) == ("m-totals", session, 500)


async def test_budgets_of_days_are_set_listed_and_ended(client: Any) -> None:
    user = f"user-{type(client).__name__}"
    budget = await settle(client.budgets.set("user", user_id=user, max_cost="2.50"))

    listed = await all_of(client.budgets.iterate(limit=1))
    await settle(client.budgets.end(budget.id))

    assert (budget.scope, budget.user_id, budget.max_cost) == ("user", user, "2.50")
    assert budget.id in [each.id for each in listed]
    assert budget.id not in [each.id for each in await settle(client.budgets.list())]
    with pytest.raises(BadRequest, match="max_cost"):
        await settle(client.budgets.set("workspace"))


async def recorded(client: Any, model: str, session: str) -> str:
    """A run whose one call nobody knows the price of."""
    with client.record(agent="payer", metadata={"session": session}, session_id=session) as run:
        run.usage(model=model, prompt_tokens=200, completion_tokens=300)
    await settle(client.flush(20))
    return str(run.execution_id)


async def test_runs_are_judged(client: Any) -> None:
    run, scores = await ran(client), client.scores
    score = await settle(scores.create(execution_id=run.id, name="helpful", value=0.5))

    await settle(scores.update(score.id, value=1))

    assert (await settle(scores.get(score.id))).value == 1
    assert [each.id for each in await settle(scores.list(execution_id=run.id))] == [score.id]
    (total,) = await settle(scores.aggregates(execution_id=run.id))
    assert (total.name, total.count, total.avg) == ("helpful", 1, 1)
    await settle(scores.delete(score.id))
    assert await all_of(scores.iterate(execution_id=run.id)) == []


async def test_what_scores_may_be_is_managed(client: Any) -> None:
    scores, name = client.scores, f"kind-{type(client).__name__}"
    config = await settle(scores.create_config(name=name, min_value=0, max_value=1))

    await settle(scores.update_config(config.id, description="How kind"))

    assert (await settle(scores.get_config(config.id))).description == "How kind"
    assert config.id in [each.id for each in await settle(scores.list_configs())]
    await settle(scores.delete_config(config.id))


async def test_a_run_is_read_as_spans(client: Any) -> None:
    run = await ran(client)

    spans = await settle(client.traces.get(run.trace_id))
    listed = await settle(client.traces.list(trace_id=run.trace_id, kind="tool"))
    summary = await settle(client.traces.summary(execution_id=run.id))

    assert [span.kind for span in spans if not span.parent_span_id] == ["agent"]
    assert {span.execution_id for span in listed} == {run.id}
    assert summary.total_traces == 1
    assert len(await all_of(client.traces.iterate(trace_id=run.trace_id, limit=1))) == len(spans)


async def test_sessions_and_the_dashboard_are_read(client: Any) -> None:
    await ran(client, session_id="s-2")

    session = await settle(client.sessions.get("s-2"))
    metrics = await settle(client.dashboard.metrics(days=7))

    assert session.trace_count > 0
    assert "s-2" in [each.session_id for each in await settle(client.sessions.list())]
    assert metrics.overview["total_executions"] > 0
