"""Pricing anew, on purpose, what executions spent: by prices of then, as they are stated now."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Any, Final, NamedTuple

from ledger import events as e
from ledger.clock import parse_time
from ledger.commands import RepriceUsage
from ledger.errors import VersionMismatch
from ledger.exact import EXACT
from ledger.mapper import Recorded
from ledger.model_prices import Stated, price_at
from ledger.orders import Caller
from ledger.pricing import Spent, cost_facts
from ledger.usage import Usage
from projections.money import decimal_text
from server.services import Services

Json = dict[str, Any]

_MOST_AT_ONCE: Final = 1_000  # new prices in one append
_TRIES: Final = 5


class _Call(NamedTuple):
    """A model call as it was recorded, and what it costs by the newest price."""

    event: Recorded
    facts: Json
    cost: str | None


class Repricing:
    """Prices model calls anew, on behalf of somebody."""

    def __init__(
        self, services: Services, stated: Mapping[str, Sequence[Stated]], caller: Caller
    ) -> None:
        self._services = services
        self._policy = services.ledger.policy
        self._stated = stated
        self._caller = caller

    async def reprice(self, executions: Sequence[Json], reason: str | None) -> Json:
        """Work out what calls cost now, and record it.

        Args:
            executions: with `id`, `agent_id` and `agent_name`.
            reason: why; None to record nothing.

        Returns:
            `repriced`, `too_busy` and `differences`, as `server.schemas.prices.Repriced` has them.
        """
        differences: dict[tuple[str, str], Json] = {}
        too_busy: list[str] = []
        repriced = 0
        for execution in executions:
            changes = await self._execution(execution["id"], reason)
            if changes is None:
                too_busy.append(execution["id"])
            elif changes:
                repriced += 1
                for change in changes:
                    _add(differences, execution, change)
        rows = [_shown(row) for row in differences.values()]
        return {"repriced": repriced, "too_busy": too_busy, "differences": rows}

    async def _execution(self, id_: str, reason: str | None) -> list[Json] | None:
        """The changes of one execution; None when it went on each time that they were recorded."""
        for _ in range(_TRIES):
            version, changes = await self._services.read(lambda: self._changes(id_))
            try:
                if reason is not None:
                    await self._record(id_, version, changes, reason)
            except VersionMismatch:
                continue
            return changes
        return None

    async def _record(self, id_: str, version: int, changes: list[Json], reason: str) -> None:
        for start in range(0, len(changes), _MOST_AT_ONCE):
            part = changes[start : start + _MOST_AT_ONCE]
            command = RepriceUsage(id_, version + start, part, reason)
            await self._services.record(command, self._caller._replace(key=None))

    def _changes(self, id_: str) -> tuple[int, list[Json]]:
        """The execution's version, and the facts of what costs something else now."""
        ledger = self._services.ledger
        version = ledger.last_version(id_)
        calls = _calls_in(ledger.read_facts(id_, version))
        changes = (self._change(call) for call in calls if "reported_cost_usd" not in call.facts)
        return version, [change for change in changes if change is not None]

    def _change(self, call: _Call) -> Json | None:
        facts = call.facts
        at = parse_time(facts.get("occurred_at") or call.event.at)
        spent = Spent(
            facts["model"],
            facts.get("provider"),
            Usage(**facts),
            at,
            facts.get("units") or {},
            facts.get("context") or {},
        )
        own = price_at(self._stated.get(spent.model, ()), at)
        found = cost_facts(spent, own, self._policy.prices, self._policy.catalog, None)
        cost, before = found["cost_usd"], None if call.cost is None else Decimal(call.cost)
        if cost is None or cost == before:
            return None
        return {
            "sequence": call.event.version,
            "model": spent.model,
            "total_tokens": facts["total_tokens"],
            "spent_at": at,
            "cost_usd": cost,
            "previous_cost_usd": before,
            "price": found["price"],
        }


def _calls_in(facts: Sequence[Recorded]) -> list[_Call]:
    calls: dict[int, _Call] = {}
    for event in facts:
        if event.topic == e.UsageRecorded.TOPIC:
            said = event.facts
            calls[event.version] = _Call(event, said, said.get("cost_usd"))
        elif event.topic == e.UsageRepriced.TOPIC:
            said = event.facts
            call = calls[said["sequence"]]
            calls[said["sequence"]] = call._replace(cost=said["cost_usd"])
    return list(calls.values())


def _add(differences: dict[tuple[str, str], Json], execution: Json, change: Json) -> None:
    row = differences.setdefault(
        (execution["agent_id"], change["model"]),
        {
            "agent_id": execution["agent_id"],
            "agent_name": execution["agent_name"],
            "model": change["model"],
            "calls": 0,
            "newly_priced_tokens": 0,
            "previous_cost_usd": Decimal(0),
            "cost_usd": Decimal(0),
        },
    )
    before = change["previous_cost_usd"]
    row["calls"] += 1
    row["newly_priced_tokens"] += change["total_tokens"] if before is None else 0
    with localcontext(EXACT):
        row["previous_cost_usd"] += before or 0
        row["cost_usd"] += change["cost_usd"]


def _shown(row: Json) -> Json:
    amounts = {name: decimal_text(row[name]) for name in ("previous_cost_usd", "cost_usd")}
    return row | amounts
