"""Prices that workspaces state, and the models for which nobody knows one."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Column, Connection, Index, MetaData, String, Table, func, select

from ledger.errors import NotFound
from ledger.mapper import Recorded
from ledger.model_prices import AMOUNTS, PriceEnded, PriceSet, Stated, stated_price
from projections.changes import Changes
from projections.cost_tables import BY_MODEL, HOUR, HOURS
from projections.pages import Listing, Order, PageRequest, counted, fetch
from projections.projection import Page
from projections.times import micros_of, text_of, time_of

Json = dict[str, Any]

metadata = MetaData()

prices = Table(
    "prices_v1",
    metadata,
    Column("id", String, primary_key=True),
    Column("workspace", String, nullable=False),
    Column("model", String, nullable=False),
    *(Column(name, String, comment="US dollars per million tokens") for name in AMOUNTS),
    Column("valid_from", BigInteger, comment="null is since ever"),
    Column("valid_until", BigInteger, comment="null is for ever"),
    Column("note", String),
    Column("created_by", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

Index("prices_v1_newest", *(prices.c[name] for name in ("workspace", "created_at", "id")))
Index("prices_v1_model", *(prices.c[name] for name in ("workspace", "model", "created_at", "id")))


class Prices:
    """What workspaces say that models cost, and when."""

    name: ClassVar[str] = "prices"
    version: ClassVar[int] = 1
    metadata: ClassVar[MetaData] = metadata
    topics: ClassVar[frozenset[str] | None] = frozenset({PriceSet.TOPIC, PriceEnded.TOPIC})

    def apply(self, connection: Connection, page: Page) -> None:
        """Fold the page."""
        changes = Changes(prices)
        for event in page.events:
            facts = event.facts
            if event.topic == PriceSet.TOPIC:
                changes.insert((facts["price_id"],), _stated(event, facts))
            else:
                ended = micros_of(facts["valid_until"])
                changes.update((facts["price_id"],), valid_until=ended)
        changes.write(connection)


def _stated(event: Recorded, facts: Mapping[str, Any]) -> Json:
    envelope = event.envelope
    times = {name: facts.get(name) for name in ("valid_from", "valid_until")}
    return {
        "id": facts["price_id"],
        "workspace": envelope["workspace"],
        "model": facts["model"],
        **{name: facts.get(name) for name in AMOUNTS},
        **{name: None if time is None else micros_of(time) for name, time in times.items()},
        "note": facts.get("note"),
        "created_by": envelope["actor"]["id"],
        "created_at": micros_of(event.at),
    }


def list_prices(
    connection: Connection, workspace: str, request: PageRequest, model: str | None = None
) -> Listing:
    """A page of the prices that a workspace states, newest first, ended ones too.

    Raises:
        InvalidQuery: the cursor is not one of this list.
    """
    matching = select(prices).where(prices.c.workspace == workspace)
    if model is not None:
        matching = matching.where(prices.c.model == model)
    order = Order("-created_at", prices.c.created_at, prices.c.id)
    page = fetch(connection, matching, order, request, lambda: counted(connection, matching))
    return page._replace(items=[represent(row) for row in page.items])


def get_price(connection: Connection, workspace: str, id_: str) -> Json:
    """One price that a workspace states.

    Raises:
        NotFound: there is none of that id.
    """
    wanted = select(prices).where(prices.c.workspace == workspace, prices.c.id == id_)
    row = connection.execute(wanted).mappings().first()
    if row is None:
        raise NotFound("price", id_)
    return represent(row)


def stated_prices(connection: Connection, workspace: str) -> Mapping[str, Sequence[Stated]]:
    """What a workspace says that models cost: by model, in the order in which it was stated."""
    order = (prices.c.created_at, prices.c.id)
    wanted = select(prices).where(prices.c.workspace == workspace).order_by(*order)
    found: dict[str, list[Stated]] = {}
    for row in connection.execute(wanted).mappings():
        times = [row[name] for name in ("valid_from", "valid_until")]
        bounds = [None if time is None else time_of(time) for time in times]
        amounts = {name: None if row[name] is None else Decimal(row[name]) for name in AMOUNTS}
        found.setdefault(row["model"], []).append(stated_price(row["id"], amounts, *bounds))
    return found


def unpriced_models(connection: Connection, workspace: str) -> list[Json]:
    """The models that were called and of which nobody knows the price, most tokens first."""
    table = BY_MODEL.table.c
    tokens = func.sum(table.unpriced_tokens)
    wanted = (
        select(table.model, tokens, func.min(table.day), func.max(table.day))
        .where(table.workspace == workspace, table.unpriced_tokens > 0)
        .group_by(table.model)
        .order_by(tokens.desc(), table.model)
    )
    return [
        {
            "model": model,
            "unpriced_tokens": int(unpriced),
            "first_day": _date(first),
            "last_day": _date(last),
        }
        for model, unpriced, first, last in connection.execute(wanted)
    ]


def _date(day: int) -> str:
    return time_of(day * HOURS * HOUR).date().isoformat()


def represent(row: Mapping[Any, Any]) -> Json:
    """The JSON object of a price."""
    times = {name: row[name] for name in ("valid_from", "valid_until")}
    return {
        "id": row["id"],
        "model": row["model"],
        "workspace_id": row["workspace"],
        **{name: row[name] for name in AMOUNTS},
        **{name: None if time is None else text_of(time) for name, time in times.items()},
        "note": row["note"] or "",
        "created_by": row["created_by"],
        "created_at": text_of(row["created_at"]),
    }
