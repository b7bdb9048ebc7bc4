"""The fold of costs: what was spent by day, agent and model, so that no total reads executions.

What a model call cost stands on the day of the call, in UTC. How many executions there were, how
many failed and how long they took stands on the day of their creation, under the model "".
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, ClassVar, Final

from sqlalchemy import BigInteger, Column, Connection, Index, MetaData, String, Table

from ledger import events as e
from ledger.mapper import Recorded
from ledger.usage import Usage
from projections.amounts import Amount, amount_columns
from projections.dialect import CLUSTERED, upsert
from projections.money import add
from projections.projection import Identity, Page
from projections.times import time_of
from projections.topics import of_topics

Row = dict[str, Any]
Key = tuple[str, str, str, str]

NO_MODEL = ""
_DAY = 24 * 60 * 60 * 10**6  # microseconds
_ISO_DAY = slice(len("2026-01-31"))

metadata = MetaData()

SUMS: Final = (
    "executions",
    "errors",
    "duration_ms",
    "durations",
    "calls",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "cache_creation_tokens",
    "reasoning_tokens",
    "unpriced_tokens",
)

costs = Table(
    "costs_v1",
    metadata,
    Column("workspace", String, primary_key=True),
    Column("day", String, primary_key=True, comment="YYYY-MM-DD, UTC"),
    Column("agent_id", String, primary_key=True),
    Column("model", String, primary_key=True, comment='"" for what is counted by execution'),
    *(Column(name, BigInteger, nullable=False) for name in SUMS),
    *amount_columns(),
    **CLUSTERED,
)

Index("costs_v1_agent", *(costs.c[name] for name in ("workspace", "agent_id", "day", "model")))

NOTHING: Final[Row] = dict.fromkeys(SUMS, 0) | Amount().columns
MONEY: Final = tuple(Amount().columns)


_TOPICS = frozenset(
    event.TOPIC
    for event in (
        e.Created,
        e.UsageRecorded,
        e.UsageRepriced,
        e.Completed,
        e.Failed,
        e.Cancelled,
        e.Rejected,
        e.ApprovalExpired,
    )
)


class Costs:
    """Executions, tokens and money by workspace, day, agent and model."""

    name: ClassVar[str] = "costs"
    version: ClassVar[int] = 1
    metadata: ClassVar[MetaData] = metadata
    topics: ClassVar[frozenset[str] | None] = _TOPICS

    def apply(self, connection: Connection, page: Page) -> None:
        """Add the page up, then add it to what there is."""
        sums: dict[Key, Row] = {}
        for event in of_topics(page, _TOPICS):
            key, more = _SPENT[event.topic](event, page.identities[event.id])
            row = sums.setdefault(key, {**NOTHING})
            row.update({name: add(row[name], value) for name, value in more.items()})
        names = ("workspace", "day", "agent_id", "model")
        rows = [dict(zip(names, key, strict=True)) | row for key, row in sums.items()]
        upsert(connection, costs, rows, add=(*SUMS, *MONEY))


def _created(_event: Recorded, identity: Identity) -> tuple[Key, Row]:
    return _of_execution(identity), {"executions": 1}


def _ended(event: Recorded, identity: Identity) -> tuple[Key, Row]:
    duration = event.facts.get("duration_ms")
    more = {} if duration is None else {"duration_ms": duration, "durations": 1}
    if event.topic == e.Failed.TOPIC:
        more["errors"] = 1
    return _of_execution(identity), more


def _usage_recorded(event: Recorded, identity: Identity) -> tuple[Key, Row]:
    facts = event.facts
    day = (facts.get("occurred_at") or event.at)[_ISO_DAY]
    amount = Amount.of(facts.get("cost_usd"))
    more = {name: facts[name] for name in _TOKENS if name in facts}
    more["calls"] = 1
    if amount.nano is None:
        more["unpriced_tokens"] = facts.get("total_tokens", 0)
    key = (identity.workspace, day, identity.agent_id, facts["model"])
    return key, more | amount.columns


def _usage_repriced(event: Recorded, identity: Identity) -> tuple[Key, Row]:
    """The difference that it makes on the day of the call."""
    facts = event.facts
    before = facts.get("previous_cost_usd")
    more: Row = {} if before is not None else {"unpriced_tokens": -facts["total_tokens"]}
    key = (identity.workspace, facts["spent_at"][_ISO_DAY], identity.agent_id, facts["model"])
    return key, more | Amount.change(facts["cost_usd"], before).columns


def _of_execution(identity: Identity) -> Key:
    day = _day_of(identity.created_at // _DAY)
    return identity.workspace, day, identity.agent_id, NO_MODEL


@lru_cache(maxsize=4096)
def _day_of(days: int) -> str:
    return time_of(days * _DAY).date().isoformat()


_TOKENS: Final = (*Usage.model_fields,)

_SPENT: Final[Mapping[str, Callable[[Recorded, Identity], tuple[Key, Row]]]] = {
    e.Created.TOPIC: _created,
    e.UsageRecorded.TOPIC: _usage_recorded,
    e.UsageRepriced.TOPIC: _usage_repriced,
    e.Completed.TOPIC: _ended,
    e.Failed.TOPIC: _ended,
    e.Cancelled.TOPIC: _ended,
    e.Rejected.TOPIC: _ended,
    e.ApprovalExpired.TOPIC: _ended,
}
