"""Sessions: what happened under one session id, from the first execution to the last."""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    MetaData,
    String,
    Table,
    select,
)

from ledger import events as e
from ledger.errors import NotFound
from ledger.mapper import Recorded
from projections.amounts import Amount, amount_columns
from projections.bulk import upsert
from projections.dialect import CLUSTERED
from projections.pages import Listing, Order, PageRequest, counted, fetch
from projections.projection import Identity, Page
from projections.times import micros_of, text_of

Json = dict[str, Any]
Row = dict[str, Any]
Key = tuple[str, str]
Trace = tuple[str, str, str]

_ENDS = frozenset(
    end.TOPIC for end in (e.Completed, e.Failed, e.Cancelled, e.Rejected, e.ApprovalExpired)
)

metadata = MetaData()

sessions = Table(
    "sessions_v1",
    metadata,
    Column("workspace", String, primary_key=True),
    Column("session_id", String, primary_key=True),
    Column("trace_count", BigInteger, nullable=False),
    Column("calls", BigInteger, nullable=False, comment="of models"),
    Column("total_tokens", BigInteger, nullable=False),
    Column("unpriced_tokens", BigInteger, nullable=False),
    *amount_columns(),
    Column("error_count", BigInteger, nullable=False, comment="executions that failed"),
    Column("first_seen", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
)

traces = Table(
    "session_traces_v1",
    metadata,
    Column("workspace", String, primary_key=True),
    Column("session_id", String, primary_key=True),
    Column("trace_id", String, primary_key=True),
    **CLUSTERED,
)

Index("sessions_v1_last_seen", *(sessions.c[n] for n in ("workspace", "last_seen", "session_id")))

_COUNTS: Final = ("trace_count", "calls", "total_tokens", "unpriced_tokens", "error_count")


class Sessions:
    """Sessions by id. What belongs to no session is left out."""

    name: ClassVar[str] = "sessions"
    version: ClassVar[int] = 1
    metadata: ClassVar[MetaData] = metadata
    topics: ClassVar[frozenset[str] | None] = _ENDS | {
        e.Created.TOPIC,
        e.UsageRecorded.TOPIC,
        e.UsageRepriced.TOPIC,
    }

    def apply(self, connection: Connection, page: Page) -> None:
        """Fold the page into the sessions that it touches."""
        told = [
            (event, identity)
            for event in page.events
            if (identity := page.identities[event.id]).session_id
        ]
        if not told:
            return
        rows = _load(connection, {_key(identity) for _, identity in told})
        for event, identity in told:
            key = _key(identity)
            rows[key] = _after(rows.get(key), event, identity)
        begun = [identity for event, identity in told if event.topic == e.Created.TOPIC]
        _count_traces(connection, rows, begun)
        upsert(connection, sessions, list(rows.values()))


def _key(identity: Identity) -> Key:
    return identity.workspace, identity.session_id


def _load(connection: Connection, keys: Collection[Key]) -> dict[Key, Row]:
    rows: dict[Key, Row] = {}
    for workspace, ids in _by_workspace(keys).items():
        wanted = select(sessions).where(
            sessions.c.workspace == workspace, sessions.c.session_id.in_(ids)
        )
        found = map(dict, connection.execute(wanted).mappings())
        rows |= {(workspace, row["session_id"]): row for row in found}
    return rows


def _by_workspace(keys: Collection[Key]) -> Mapping[str, list[str]]:
    ids: dict[str, list[str]] = {}
    for workspace, session_id in sorted(keys):
        ids.setdefault(workspace, []).append(session_id)
    return ids


def _after(row: Row | None, event: Recorded, identity: Identity) -> Row:
    """The row of a session after an event in it."""
    if event.topic == e.Created.TOPIC:
        return _seen(row, identity, identity.created_at)
    facts = event.facts
    if event.topic == e.UsageRepriced.TOPIC:
        row = _seen(row, identity, micros_of(facts["spent_at"]))
        _respend(row, facts)
        return row
    row = _seen(row, identity, micros_of(facts.get("occurred_at") or event.at))
    if event.topic == e.UsageRecorded.TOPIC:
        _spend(row, facts)
    elif event.topic == e.Failed.TOPIC:
        row["error_count"] += 1
    return row


def _seen(row: Row | None, identity: Identity, at: int) -> Row:
    if row is None:
        workspace, session_id = _key(identity)
        row = {"workspace": workspace, "session_id": session_id, **dict.fromkeys(_COUNTS, 0)}
        return row | {**Amount().columns, "first_seen": at, "last_seen": at}
    row["first_seen"] = min(row["first_seen"], at)
    row["last_seen"] = max(row["last_seen"], at)
    return row


def _spend(row: Row, facts: Mapping[str, Any]) -> None:
    tokens = facts.get("total_tokens", 0)
    amount = Amount.of(facts.get("cost_usd"))
    row["calls"] += 1
    row["total_tokens"] += tokens
    if amount.nano is None:
        row["unpriced_tokens"] += tokens
    else:
        row.update((Amount.in_row(row) + amount).columns)


def _respend(row: Row, facts: Mapping[str, Any]) -> None:
    """A model call that was priced anew: the difference."""
    before = facts.get("previous_cost_usd")
    if before is None:
        row["unpriced_tokens"] -= facts["total_tokens"]
    change = Amount.change(facts["cost_usd"], before)
    row.update((Amount.in_row(row) + change).columns)


def _count_traces(
    connection: Connection, rows: Mapping[Key, Row], identities: Collection[Identity]
) -> None:
    """Note the traces that came into sessions: executions of one trace are counted once."""
    came = {(*_key(identity), identity.trace_id) for identity in identities}
    new = sorted(came - _known_traces(connection, rows, came))
    for workspace, session_id, _ in new:
        rows[workspace, session_id]["trace_count"] += 1
    names = [column.name for column in traces.primary_key]
    upsert(connection, traces, [dict(zip(names, key, strict=True)) for key in new])


def _known_traces(
    connection: Connection, rows: Mapping[Key, Row], came: Collection[Trace]
) -> set[Trace]:
    """Those of earlier pages, among which may be others; a session that is new has none."""
    old = {trace[:2] for trace in came if rows[trace[:2]]["trace_count"]}
    known: set[Trace] = set()
    for workspace, ids in _by_workspace(old).items():
        wanted = select(*traces.primary_key).where(
            traces.c.workspace == workspace,
            traces.c.session_id.in_(ids),
            traces.c.trace_id.in_(sorted(trace_id for *_, trace_id in came)),
        )
        known.update((row[0], row[1], row[2]) for row in connection.execute(wanted))
    return known


def list_sessions(connection: Connection, workspace: str, request: PageRequest) -> Listing:
    """A page of the sessions of a workspace, the one that was last active first.

    Raises:
        InvalidQuery: the cursor is not one of this list.
    """
    matching = select(sessions).where(sessions.c.workspace == workspace)
    order = Order("-last_seen", sessions.c.last_seen, sessions.c.session_id)
    page = fetch(connection, matching, order, request, lambda: counted(connection, matching))
    return page._replace(items=[represent(row) for row in page.items])


def get_session(connection: Connection, workspace: str, session_id: str) -> Json:
    """One session.

    Raises:
        NotFound: nothing happened under this id in this workspace.
    """
    wanted = select(sessions).where(
        sessions.c.workspace == workspace, sessions.c.session_id == session_id
    )
    row = connection.execute(wanted).mappings().first()
    if row is None:
        raise NotFound("session", session_id)
    return represent(row)


def represent(row: Mapping[Any, Any]) -> Json:
    """The JSON object of a session."""
    return {
        "session_id": row["session_id"],
        "trace_count": row["trace_count"],
        "total_tokens": row["total_tokens"],
        **Amount.in_row(row).shown("total_cost", spent=row["calls"] > 0),
        "unpriced_tokens": row["unpriced_tokens"],
        "error_count": row["error_count"],
        "first_seen": text_of(row["first_seen"]),
        "last_seen": text_of(row["last_seen"]),
    }
