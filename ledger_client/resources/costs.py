"""Costs: what was spent, in a period, by an agent, or grouped by whatever one asks."""

from collections.abc import Mapping
from typing import Any

from ledger_client.method import Awaiting, Blocking, Method
from ledger_client.money import CostRow, CostSummary
from ledger_client.record import many, one
from ledger_client.request import Call, ask, by_metadata, place


class CostMethods:
    """What there is to ask about costs."""

    @Method
    def summary(self, *, from_date: Any = None, to_date: Any = None) -> Call[CostSummary]:
        """What was spent from one day to another, both included, in UTC; ISO text or `date`."""
        return ask("/costs/summary", one(CostSummary), {"from": from_date, "to": to_date})

    @Method
    def agent(
        self, agent_id: str, *, from_date: Any = None, to_date: Any = None
    ) -> Call[CostSummary]:
        """What one agent spent in a period."""
        query = {"from": from_date, "to": to_date}
        return ask(place("costs", "agents", agent_id), one(CostSummary), query)

    @Method
    def groups(
        self,
        /,
        group_by: Any = "agent",
        *,
        from_date: Any = None,
        to_date: Any = None,
        scope: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **filters: Any,
    ) -> Call[list[CostRow]]:
        """Totals of groups.

        Args:
            group_by: `agent`, `version`, `model`, `provider`, `user`, `session`, `workspace`,
                `status`, `day`, `hour`, `metadata.<key>`, or a list of these.
            from_date: the first day in UTC; ISO text or `date`.
            to_date: the last day, included.
            scope: `own`, or `inclusive` of all below the executions at the top.
            metadata: keys of the top level with their values.
            filters: every other one of a list of executions.
        """
        period = {"from": from_date, "to": to_date, "scope": scope}
        query = {"group_by": group_by, **period, **filters, **by_metadata(metadata)}
        return ask("/costs", many(CostRow), query)

    totals = groups
    get_summary = summary
    get_agent_summary = agent


class Costs(CostMethods, Blocking):
    """Costs, for the blocking client."""


class AsyncCosts(CostMethods, Awaiting):
    """Costs, for the asyncio client."""
