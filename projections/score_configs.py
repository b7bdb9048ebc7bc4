"""Score configurations: what the scores of some name may be. Removed ones are not shown."""

from collections.abc import Mapping
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Index,
    MetaData,
    Select,
    String,
    Table,
    Text,
    false,
    select,
)

from ledger.errors import NotFound
from ledger.mapper import Recorded
from ledger.score_config import ConfigChanged, ConfigCreated, ConfigRemoved
from ledger.strict_json import decode_stored, encode
from projections.changes import Changes
from projections.pages import Listing, Order, PageRequest, counted, fetch
from projections.projection import Page
from projections.times import micros_of, text_of

Json = dict[str, Any]

metadata = MetaData()

score_configs = Table(
    "score_configs_v1",
    metadata,
    Column("id", String, primary_key=True),
    Column("workspace", String, nullable=False),
    Column("name", String, nullable=False),
    Column("data_type", String, nullable=False),
    Column("min_value", Double),
    Column("max_value", Double),
    Column("categories", Text, nullable=False, comment="JSON list"),
    Column("description", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("removed", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

Index(
    "score_configs_v1_created",
    *(score_configs.c[name] for name in ("workspace", "created_at", "id")),
)

_FACTS = ("name", "data_type", "min_value", "max_value", "description", "is_active")


class ScoreConfigs:
    """Score configurations by id."""

    name: ClassVar[str] = "score_configs"
    version: ClassVar[int] = 1
    metadata: ClassVar[MetaData] = metadata
    topics: ClassVar[frozenset[str] | None] = frozenset(
        event.TOPIC for event in (ConfigCreated, ConfigChanged, ConfigRemoved)
    )

    def apply(self, connection: Connection, page: Page) -> None:
        """Fold the page."""
        changes = Changes(score_configs)
        for event in page.events:
            if event.topic == ConfigCreated.TOPIC:
                changes.insert((event.id,), _created(event))
            elif event.topic == ConfigChanged.TOPIC:
                changes.update((event.id,), **_said(event), updated_at=micros_of(event.at))
            elif event.topic == ConfigRemoved.TOPIC:
                changes.update((event.id,), removed=True)
        changes.write(connection)


def _created(event: Recorded) -> Json:
    at = micros_of(event.at)
    return {
        "id": event.id,
        "workspace": event.envelope["workspace"],
        "min_value": None,
        "max_value": None,
        "removed": False,
        **_said(event),
        "created_at": at,
        "updated_at": at,
    }


def _said(event: Recorded) -> Json:
    facts = event.facts
    said = {name: facts[name] for name in _FACTS if name in facts}
    if "categories" in facts:
        said["categories"] = encode(facts["categories"]).decode()
    return said


def list_configs(connection: Connection, workspace: str, request: PageRequest) -> Listing:
    """A page of the score configurations of a workspace, newest first.

    Raises:
        InvalidQuery: the cursor is not one of this list.
    """
    matching = _offered(workspace)
    order = Order("-created_at", score_configs.c.created_at, score_configs.c.id)
    page = fetch(connection, matching, order, request, lambda: counted(connection, matching))
    return page._replace(items=[represent(row) for row in page.items])


def get_config(connection: Connection, workspace: str, id_: str) -> Json:
    """One score configuration.

    Raises:
        NotFound: there is none in this workspace, or it was removed.
    """
    wanted = _offered(workspace).where(score_configs.c.id == id_)
    row = connection.execute(wanted).mappings().first()
    if row is None:
        raise NotFound("score config", id_)
    return represent(row)


def _offered(workspace: str) -> Select[Any]:
    return select(score_configs).where(
        score_configs.c.workspace == workspace, score_configs.c.removed == false()
    )


def represent(row: Mapping[Any, Any]) -> Json:
    """The JSON object of a score configuration."""
    return {
        "id": row["id"],
        "workspace_id": row["workspace"],
        **{name: row[name] for name in _FACTS},
        "categories": decode_stored(row["categories"].encode()),
        "created_at": text_of(row["created_at"]),
        "updated_at": text_of(row["updated_at"]),
    }
