"""Scores: what people and programs think of runs, one by one and summed up by name."""

from collections.abc import Mapping
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Double,
    Index,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    func,
    select,
)

from ledger.errors import NotFound
from ledger.events import Scored, ScoreRemoved
from ledger.mapper import Recorded
from projections.bulk import upsert
from projections.pages import Listing, Order, PageRequest, counted, fetch
from projections.projection import Page
from projections.score_configs import get_config, list_configs
from projections.times import micros_of, text_of

__all__ = [
    "Scores",
    "aggregates",
    "get_config",
    "get_score",
    "list_configs",
    "list_scores",
    "represent",
]

Json = dict[str, Any]

metadata = MetaData()

scores = Table(
    "scores_v1",
    metadata,
    Column("id", String, primary_key=True),
    Column("execution_id", String, primary_key=True),
    Column("workspace", String, nullable=False),
    Column("trace_id", String, nullable=False),
    Column("span_id", String, comment="null is the whole run"),
    Column("name", String, nullable=False),
    Column("value", Double, comment="of a boolean 0 or 1"),
    Column("string_value", Text),
    Column("data_type", String, nullable=False),
    Column("source", String, nullable=False),
    Column("comment", Text),
    Column("config_id", String),
    Column("created_by", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

Index("scores_v1_created", *(scores.c[name] for name in ("workspace", "created_at", "id")))
Index("scores_v1_trace", *(scores.c[n] for n in ("workspace", "trace_id", "created_at", "id")))
Index("scores_v1_name", *(scores.c[n] for n in ("workspace", "name", "created_at", "id", "value")))

_KEPT = ("created_by", "created_at")
"""What stays as it was when a score replaces an earlier one with its id."""

_OPTIONAL = ("span_id", "value", "string_value", "comment", "config_id")

_REMOVE = scores.delete().where(
    scores.c.execution_id == bindparam("of_execution"), scores.c.id == bindparam("of_score")
)

_Key = tuple[str, str]


class Scores:
    """Scores by id, trace and name."""

    name: ClassVar[str] = "scores"
    version: ClassVar[int] = 1
    metadata: ClassVar[MetaData] = metadata
    topics: ClassVar[frozenset[str] | None] = frozenset({Scored.TOPIC, ScoreRemoved.TOPIC})

    def apply(self, connection: Connection, page: Page) -> None:
        """Fold the page. What it removes goes first, since it may have come back under its id."""
        said: dict[_Key, Json] = {}
        removed: dict[_Key, Json] = {}
        for event in page.events:
            if event.topic == Scored.TOPIC:
                row = _scored(event, page)
                key = event.id, row["id"]
                said[key] = row | {name: said.get(key, row)[name] for name in _KEPT}
            elif event.topic == ScoreRemoved.TOPIC:
                key = event.id, event.facts["score_id"]
                said.pop(key, None)
                removed[key] = dict(zip(("of_execution", "of_score"), key, strict=True))
        if removed:
            connection.execute(_REMOVE, list(removed.values()))
        upsert(connection, scores, list(said.values()), keep=_KEPT)


def _scored(event: Recorded, page: Page) -> Json:
    facts = event.facts
    identity = page.identities[event.id]
    at = micros_of(event.at)
    return {
        "execution_id": event.id,
        "id": facts["score_id"],
        "workspace": identity.workspace,
        "trace_id": identity.trace_id,
        "name": facts["name"],
        "data_type": facts["data_type"],
        "source": facts["source"],
        **{name: facts.get(name) for name in _OPTIONAL},
        "created_by": event.envelope["actor"]["id"],
        "created_at": at,
        "updated_at": at,
    }


def list_scores(
    connection: Connection, workspace: str, request: PageRequest, **equal: str | None
) -> Listing:
    """A page of the scores of a workspace, newest first.

    Args:
        connection: to the views.
        workspace: of the scores.
        request: which page.
        equal: columns and what they must be: trace_id, execution_id, name, source, data_type,
            config_id; None is anything.

    Raises:
        InvalidQuery: the cursor is not one of this list.
    """
    matching = select(scores).where(*_conditions(workspace, equal))
    order = Order("-created_at", scores.c.created_at, scores.c.id)
    page = fetch(connection, matching, order, request, lambda: counted(connection, matching))
    return page._replace(items=[represent(row) for row in page.items])


def get_score(connection: Connection, workspace: str, id_: str) -> Json:
    """One score; its `execution_id` says which run it is about.

    Raises:
        NotFound: there is none in this workspace, or it was withdrawn.
    """
    wanted = select(scores).where(scores.c.workspace == workspace, scores.c.id == id_)
    row = connection.execute(wanted).mappings().first()
    if row is None:
        raise NotFound("score", id_)
    return represent(row)


def aggregates(connection: Connection, workspace: str, **equal: str | None) -> list[Json]:
    """The scores of each name, summed up: how many, and average, least and greatest value.

    Scores without a value count, and nothing else; a name with no other has null for the rest.

    Args:
        connection: to the views.
        workspace: of the scores.
        equal: as in `list_scores`.
    """
    value = scores.c.value
    statement = (
        select(scores.c.name, func.count(), func.avg(value), func.min(value), func.max(value))
        .where(*_conditions(workspace, equal))
        .group_by(scores.c.name)
        .order_by(scores.c.name)
    )
    fields = ("name", "count", "avg", "min", "max")
    return [dict(zip(fields, row, strict=True)) for row in connection.execute(statement)]


def _conditions(workspace: str, equal: Mapping[str, str | None]) -> list[ColumnElement[bool]]:
    given = [scores.c[name] == value for name, value in equal.items() if value is not None]
    return [scores.c.workspace == workspace, *given]


def represent(row: Mapping[Any, Any]) -> Json:
    """The JSON object of a score."""
    return {
        "id": row["id"],
        "workspace_id": row["workspace"],
        "trace_id": row["trace_id"],
        "span_id": row["span_id"] or "",
        "execution_id": row["execution_id"],
        "name": row["name"],
        "value": row["value"],
        "string_value": row["string_value"] or "",
        "data_type": row["data_type"],
        "source": row["source"],
        "comment": row["comment"] or "",
        "config_id": row["config_id"],
        "created_by": row["created_by"],
        "created_at": text_of(row["created_at"]),
        "updated_at": text_of(row["updated_at"]),
    }
