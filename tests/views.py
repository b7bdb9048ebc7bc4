"""A log that is written by real aggregates, and the views asked about it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import orjson

from ledger import events as e
from ledger.access import ApiKey
from ledger.agent import Agent
from ledger.event import Stamp
from ledger.execution import Execution
from ledger.mapper import Recorded
from ledger.score_config import ScoreConfig
from ledger.strict_json import encode
from projections.catalog import ALL
from projections.pages import Listing, PageRequest
from projections.store import ViewStore
from tests.read_side import catch_up, fresh_views
from tests.strategies import ACTOR, History, MemoryLog, frame, usage_facts

FIRST = PageRequest()


class Log(MemoryLog):
    """A log in memory of which, too, single executions can be read."""

    def read_execution(
        self, id_: str, after: int = 0, limit: int = 10**9, until: int | None = None
    ) -> list[Recorded]:
        last = 2**62 if until is None else until
        own = [event for event in self.events if event.id == id_]
        return [event for event in own if after < event.version <= last][:limit]


class Told(History):
    """What happened, step by step; and what the views say about it."""

    def __init__(self, store: ViewStore) -> None:
        super().__init__()
        self.store = store

    @property
    def reader(self) -> Log:
        return Log(self.log)

    def ask(self, query: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """The answer of a query as JSON has it, once the views are up with the log."""
        catch_up(self.store, ALL, self.reader)
        with self.store.reading() as connection:
            answer = query(connection, *arguments, **named)
        return orjson.loads(encode(answer.items if isinstance(answer, Listing) else answer))

    def by(self, actor: str, workspace: str = "acme") -> Stamp:
        """The stamp of somebody else."""
        return Stamp(workspace, ACTOR.model_copy(update={"id": actor}), self.now)

    def record(self, *aggregates: Agent | ApiKey | ScoreConfig) -> None:
        """Record what is pending of other aggregates than executions."""
        for aggregate in aggregates:
            self.save(cast(Any, aggregate))

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def running(self, workspace: str = "acme", **facts: Any) -> Execution:
        """An execution that somebody works on."""
        execution = self.create(workspace, **facts)
        self.do(execution, lambda stamp: execution.start(stamp, "worker-1"))
        return execution

    def parked(self, workspace: str = "acme", **facts: Any) -> Execution:
        """An execution that waits for a human."""
        execution = self.running(workspace)
        asked = {
            "approval_id": f"approval-of-{execution.id}",
            "checkpoint_name": "send",
            "payload": {"to": "ada", "amount": 1.5},
            "payload_digest": "sha256:0",
        }
        self.do(execution, lambda stamp: execution.request_approval(stamp, asked | facts))
        return execution

    def spend(self, execution: Execution, model: str = "gpt-x", **facts: Any) -> None:
        """A model call."""
        cost = facts.pop("cost", "0.001")
        counts = {"prompt_tokens": 100, "completion_tokens": 20}
        told = usage_facts(model, cost, **counts) | facts
        self.do(execution, lambda stamp: execution.record_usage(stamp, told))

    def tool(self, execution: Execution, id_: str, **ended: Any) -> None:
        """A tool call that takes a second and a half."""
        begun = frame(e.ToolStarted, id=id_, name="search", input={"for": id_})
        self.stream(execution, begun)
        self.later(1.5)
        self.stream(execution, frame(e.ToolEnded, id=id_, name="search", **ended))

    def stream(self, execution: Execution, *frames: Any) -> None:
        self.do(execution, lambda stamp: execution.append(stamp, frames))


@contextmanager
def telling() -> Iterator[Told]:
    """An empty log and views of it."""
    with fresh_views() as store:
        yield Told(store)


def ids(items: Sequence[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]
