"""API keys: what the server needs to know of a key, and what an administrator may see of it."""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    MetaData,
    Select,
    String,
    Table,
    exists,
    false,
    or_,
    select,
)

from ledger.access import KeyCreated, KeyRevoked
from ledger.errors import NotFound
from ledger.mapper import Recorded
from ledger.role import Role
from projections.changes import Changes
from projections.pages import Listing, Order, PageRequest, counted, fetch
from projections.projection import Page
from projections.times import micros_of, text_of

Json = dict[str, Any]

metadata = MetaData()

keys = Table(
    "keys_v1",
    metadata,
    Column("id", String, primary_key=True),
    Column("workspace", String, nullable=False, comment="that it opens; * is every one"),
    Column("made_in", String, nullable=False, comment="the workspace of whoever made it"),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("revoked", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

Index("keys_v1_workspace", *(keys.c[name] for name in ("workspace", "created_at", "id")))
Index("keys_v1_made_in", *(keys.c[name] for name in ("made_in", "created_at", "id")))


class ActiveKey(NamedTuple):
    """A key in force, as a server needs to know it."""

    id: str
    name: str
    role: Role
    workspace: str
    digest: str


class Keys:
    """API keys by workspace."""

    name: ClassVar[str] = "keys"
    version: ClassVar[int] = 1
    metadata: ClassVar[MetaData] = metadata
    topics: ClassVar[frozenset[str] | None] = frozenset({KeyCreated.TOPIC, KeyRevoked.TOPIC})

    def apply(self, connection: Connection, page: Page) -> None:
        """Fold the page."""
        changes = Changes(keys)
        for event in page.events:
            if event.topic == KeyCreated.TOPIC:
                changes.insert((event.id,), _created(event))
            elif event.topic == KeyRevoked.TOPIC:
                changes.update((event.id,), revoked=True)
        changes.write(connection)


def _created(event: Recorded) -> Json:
    facts = event.facts
    return {
        "id": event.id,
        "workspace": facts["workspace"],
        "made_in": event.envelope["workspace"],
        "name": facts["name"],
        "role": facts["role"],
        "digest": facts["digest"],
        "revoked": False,
        "created_at": micros_of(event.at),
    }


def active_keys(connection: Connection) -> list[ActiveKey]:
    """Every key in force, of all workspaces: for the server's keyring, for nobody else."""
    wanted = select(keys).where(keys.c.revoked == false()).order_by(keys.c.created_at, keys.c.id)
    return [
        ActiveKey(row.id, row.name, Role(row.role), row.workspace, row.digest)
        for row in connection.execute(wanted)
    ]


def any_key(connection: Connection) -> bool:
    """Whether any key is in force, in any workspace."""
    return bool(connection.scalar(select(exists().where(keys.c.revoked == false()))))


def list_keys(connection: Connection, workspace: str, request: PageRequest) -> Listing:
    """A page of the keys in force that open a workspace or were made in it, newest first.

    Raises:
        InvalidQuery: the cursor is not one of this list.
    """
    matching = _in_force(workspace)
    order = Order("-created_at", keys.c.created_at, keys.c.id)
    page = fetch(connection, matching, order, request, lambda: counted(connection, matching))
    return page._replace(items=[represent(row) for row in page.items])


def get_key(connection: Connection, workspace: str, id_: str) -> Json:
    """One key in force that opens a workspace or was made in it.

    Raises:
        NotFound: there is none of that id; a revoked one is none.
    """
    row = connection.execute(_in_force(workspace).where(keys.c.id == id_)).mappings().first()
    if row is None:
        raise NotFound("key", id_)
    return represent(row)


def _in_force(workspace: str) -> Select[Any]:
    theirs = or_(keys.c.workspace == workspace, keys.c.made_in == workspace)
    return select(keys).where(theirs, keys.c.revoked == false())


def represent(row: Mapping[Any, Any]) -> Json:
    """The JSON object of a key: nothing by which it could be used or guessed."""
    return {
        "id": row["id"],
        "name": row["name"],
        "role": row["role"],
        "workspace_id": row["workspace"],
        "created_at": text_of(row["created_at"]),
    }
