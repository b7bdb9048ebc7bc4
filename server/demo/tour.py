"""What the demo does: runs of its agents, asked for over HTTP like everybody's."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from server.cli.connection import Api, Refusal
from server.cli.output import say

Json = dict[str, Any]


class Step(NamedTuple):
    """One run to ask for, and what a human then does about it."""

    agent: str
    input: Json
    metadata: Json
    then: str = ""


STEPS: Final[Sequence[Step]] = (
    Step(
        "order-support",
        {"question": "Where is order 10079?"},
        {"channel": "chat", "tier": "gold"},
    ),
    Step(
        "order-support",
        {"question": "What is in order 10085?"},
        {"channel": "chat", "tier": "standard"},
    ),
    Step(
        "order-support",
        {"question": "Which orders do you have of Grace Novak?"},
        {"channel": "mail", "tier": "gold"},
    ),
    Step(
        "order-support",
        {"question": "How much did I pay for order 99999?"},
        {"channel": "mail", "tier": "standard"},
    ),
    Step(
        "text-statistics",
        {
            "text": "An event log remembers what happened. A table remembers what is. From the log"
            " one can make the table again; from the table nobody makes the log. So keep the log,"
            " and let every table be a reading of the log.",
            "sentences": 1,
        },
        {"channel": "batch", "tier": "standard"},
    ),
    Step(
        "text-statistics",
        {
            "text": "The parcel left the warehouse on Monday. On Tuesday the parcel was in the"
            " sorting centre, and on Wednesday the van had it. The customer was not at home. The"
            " neighbour took the parcel, and the customer thanked the neighbour.",
            "sentences": 2,
        },
        {"channel": "batch", "tier": "standard"},
    ),
    Step(
        "refund",
        {"order_id": "10080", "reason": "damaged"},
        {"channel": "chat", "tier": "standard"},
    ),
    Step(
        "refund",
        {"order_id": "10010", "reason": "unwanted"},
        {"channel": "mail", "tier": "silver"},
    ),
    Step(
        "refund",
        {"order_id": "10066", "reason": "damaged"},
        {"channel": "chat", "tier": "gold"},
        then="approve",
    ),
    Step(
        "refund",
        {"order_id": "10063", "reason": "late", "skus": ["CH-501"]},
        {"channel": "mail", "tier": "standard"},
        then="deny",
    ),
    Step(
        "refund",
        {"order_id": "10083", "reason": "unwanted"},
        {"channel": "chat", "tier": "gold"},
        then="leave",
    ),
)


class Toured(NamedTuple):
    """What the tour left behind.

    Attributes:
        executions: as they stand, in the order in which they were asked for.
        approved: the one that a human said yes to.
        waiting: the one that waits for a human.
    """

    executions: Sequence[Json]
    approved: Json
    waiting: Json


async def take_tour(api: Api) -> Toured:
    """Ask for every run, answer what asks for a human, and say so."""
    ids = {each["name"]: each["id"] for each in (await api.get("/agents", {"limit": 100})).data}
    executions = [await _take(api, ids[step.agent], step) for step in STEPS]
    await _show_a_refusal(api, ids["refund"])
    what = {step.then: execution for step, execution in zip(STEPS, executions, strict=True)}
    return Toured(executions, what["approve"], what["leave"])


async def _take(api: Api, agent_id: str, step: Step) -> Json:
    body = {"input": step.input, "metadata": step.metadata, "session_id": "demo"}
    execution: Json = (await api.post(f"/agents/{agent_id}/execute", body)).data
    say(f"  {step.agent}: {_asked(step)} -> {execution['status']}")
    if step.then in {"approve", "deny"}:
        reason = {"reason": "decided by the demo"}
        path = f"/executions/{execution['id']}/{step.then}"
        await api.post(path, reason)
        execution = (await _ended(api, execution["id"])).data
        say(f"    a human said {step.then} -> {execution['status']}")
    return execution


async def _ended(api: Api, id_: str) -> Any:
    """The execution, once its stream has ended."""
    async for _ in api.stream(f"/executions/{id_}/stream"):
        pass
    return await api.get(f"/executions/{id_}")


async def _show_a_refusal(api: Api, agent_id: str) -> None:
    body = {"input": {"order_id": "ten", "reason": "damaged"}}
    try:
        await api.post(f"/agents/{agent_id}/execute", body)
    except Refusal as refusal:
        say(f"  refund: order ten -> refused with {refusal.code}, nothing recorded")


def _asked(step: Step) -> str:
    question: str | None = step.input.get("question")
    if question is not None:
        return question
    if "text" in step.input:
        return f"a text of {len(step.input['text'].split())} words"
    return f"order {step.input['order_id']}, {step.input['reason']}"
