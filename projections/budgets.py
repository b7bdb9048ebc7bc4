"""Budgets of days that are in force: what the workspace, an agent or a user may spend in a day."""

from collections.abc import Mapping
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    MetaData,
    String,
    Table,
    false,
    select,
)

from ledger.errors import NotFound
from ledger.mapper import Recorded
from ledger.standing_budgets import BudgetEnded, BudgetSet
from projections.changes import Changes
from projections.pages import Listing, Order, PageRequest, counted, fetch
from projections.projection import Page
from projections.times import micros_of, text_of

Json = dict[str, Any]

metadata = MetaData()

budgets = Table(
    "budgets_v1",
    metadata,
    Column("id", String, primary_key=True),
    Column("workspace", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("key", String, comment="the id of who spends; null is each"),
    Column("max_cost", String, comment="US dollars"),
    Column("max_total_tokens", BigInteger),
    Column("note", String),
    Column("ended", Boolean, nullable=False),
    Column("created_by", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

Index("budgets_v1_newest", *(budgets.c[name] for name in ("workspace", "created_at", "id")))


class Budgets:
    """What may be spent in a day."""

    name: ClassVar[str] = "budgets"
    version: ClassVar[int] = 1
    metadata: ClassVar[MetaData] = metadata
    topics: ClassVar[frozenset[str] | None] = frozenset({BudgetSet.TOPIC, BudgetEnded.TOPIC})

    def apply(self, connection: Connection, page: Page) -> None:
        """Fold the page."""
        changes = Changes(budgets)
        for event in page.events:
            facts = event.facts
            if event.topic == BudgetSet.TOPIC:
                changes.insert((facts["budget_id"],), _set(event, facts))
            else:
                changes.update((facts["budget_id"],), ended=True)
        changes.write(connection)


def _set(event: Recorded, facts: Mapping[str, Any]) -> Json:
    envelope = event.envelope
    told = {name: facts.get(name) for name in ("key", "max_cost", "max_total_tokens", "note")}
    return {
        "id": facts["budget_id"],
        "workspace": envelope["workspace"],
        "scope": facts["scope"],
        **told,
        "ended": False,
        "created_by": envelope["actor"]["id"],
        "created_at": micros_of(event.at),
    }


def list_budgets(connection: Connection, workspace: str, request: PageRequest) -> Listing:
    """A page of the budgets in force, newest first.

    Raises:
        InvalidQuery: the cursor is not one of this list.
    """
    in_force = (budgets.c.workspace == workspace, budgets.c.ended == false())
    matching = select(budgets).where(*in_force)
    order = Order("-created_at", budgets.c.created_at, budgets.c.id)
    page = fetch(connection, matching, order, request, lambda: counted(connection, matching))
    return page._replace(items=[represent(row) for row in page.items])


def get_budget(connection: Connection, workspace: str, id_: str) -> Json:
    """One budget in force.

    Raises:
        NotFound: there is none of that id; one that ended is none.
    """
    wanted = select(budgets).where(
        budgets.c.workspace == workspace, budgets.c.ended == false(), budgets.c.id == id_
    )
    row = connection.execute(wanted).mappings().first()
    if row is None:
        raise NotFound("budget", id_)
    return represent(row)


def represent(row: Mapping[Any, Any]) -> Json:
    """The JSON object of a budget."""
    return {
        "id": row["id"],
        "workspace_id": row["workspace"],
        "scope": row["scope"],
        "agent_id": row["key"] if row["scope"] == "agent" else None,
        "user_id": row["key"] if row["scope"] == "user" else None,
        "max_cost": row["max_cost"],
        "max_total_tokens": row["max_total_tokens"],
        "note": row["note"] or "",
        "created_by": row["created_by"],
        "created_at": text_of(row["created_at"]),
    }
