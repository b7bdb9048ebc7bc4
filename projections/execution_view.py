"""The projection of executions: a page of the log, folded by execution, saved at once."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import ClassVar

from sqlalchemy import Connection, MetaData, select, tuple_

from ledger.events import FRAME_TOPICS, Annotated, Created
from ledger.mapper import Recorded
from projections.bulk import update, upsert
from projections.execution_rows import CHANGES, TOPICS, Row, change, touch
from projections.execution_tables import counts, executions, labels, metadata, payloads
from projections.labels import MODEL, labels_of
from projections.projection import Page
from projections.times import micros_of

_COLUMNS = tuple(column.name for column in executions.columns)
_PAYLOADS = ("input", "output", "metadata")
_FACTS = frozenset(CHANGES) | {Created.TOPIC}


class Executions:
    """Executions by id, in every order and by every filter that a list knows."""

    name: ClassVar[str] = "executions"
    version: ClassVar[int] = 1
    metadata: ClassVar[MetaData] = metadata
    topics: ClassVar[frozenset[str] | None] = TOPICS
    by_the_last: ClassVar[frozenset[str]] = frozenset(FRAME_TOPICS)

    def apply(self, connection: Connection, page: Page) -> None:
        """Fold the page. Executions of which it holds frames only are touched, not read."""
        last = {event.id: event for event in page.events}
        facts = [event for event in page.events if event.topic in _FACTS]
        before = _load(connection, facts)
        after = _fold(before, facts)
        rows = {id_: touch(row, last.pop(id_)) for id_, row in after.items()}
        _touch(connection, last.values())
        _save(connection, before, rows)


def _load(connection: Connection, facts: Sequence[Recorded]) -> Mapping[str, Row]:
    """The rows of executions that began on an earlier page; with metadata where that changes."""
    begun = {event.id for event in facts if event.topic == Created.TOPIC}
    wanted = {event.id for event in facts} - begun
    annotated = {event.id for event in facts if event.topic == Annotated.TOPIC} - begun
    rows: dict[str, Row] = {}
    if wanted:
        statement = select(executions).where(executions.c.id.in_(wanted))
        rows = {row["id"]: dict(row) for row in connection.execute(statement).mappings()}
    if annotated:
        columns = payloads.c.execution_id, payloads.c.metadata
        statement = select(*columns).where(payloads.c.execution_id.in_(annotated))
        for id_, text in connection.execute(statement):
            rows[id_]["metadata"] = text
    return rows


def _fold(before: Mapping[str, Row], facts: Iterable[Recorded]) -> Mapping[str, Row]:
    after: dict[str, Row] = {}
    for event in facts:
        row = after.get(event.id) or before.get(event.id)
        if row is None or event.version > row.get("version", 0):
            after[event.id] = change(row, event)
    return after


def _touch(connection: Connection, last: Collection[Recorded]) -> None:
    """Move version and time of executions that nothing else changed in."""
    update(
        connection,
        executions,
        [
            {"id": event.id, "version": event.version, "updated_at": micros_of(event.at)}
            for event in last
        ],
    )


def _save(connection: Connection, before: Mapping[str, Row], after: Mapping[str, Row]) -> None:
    upsert(connection, executions, list(after.values()), columns=_COLUMNS)
    _save_payloads(connection, after)
    _save_labels(connection, before, after)
    _save_counts(connection, before, after)


def _save_payloads(connection: Connection, after: Mapping[str, Row]) -> None:
    """Write the payloads that came or changed, those of the same kinds together."""
    kinds: dict[tuple[str, ...], list[Row]] = {}
    for id_, row in after.items():
        known = {name: row[name] for name in _PAYLOADS if name in row}
        if known:
            kinds.setdefault(tuple(known), []).append({"execution_id": id_, **known})
    for rows in kinds.values():
        upsert(connection, payloads, rows)


def _save_labels(
    connection: Connection, before: Mapping[str, Row], after: Mapping[str, Row]
) -> None:
    relabelled = [id_ for id_ in before if id_ in after and "metadata" in after[id_]]
    if relabelled:
        old = labels.c.execution_id.in_(relabelled)
        connection.execute(labels.delete().where(old, labels.c.name != MODEL))
    upsert(
        connection,
        labels,
        [
            {
                "execution_id": id_,
                "name": name,
                "value": value,
                "workspace": row["workspace"],
                "created_at": row["created_at"],
            }
            for id_, row in after.items()
            for name, value in _new_labels(before.get(id_), row)
        ],
    )


def _new_labels(before: Row | None, after: Row) -> set[tuple[str, str]]:
    models = after["models"]
    if before is not None and before["models"] == models:
        models = "[]"
    return set(labels_of(models, after.get("metadata", "{}")))


def _save_counts(
    connection: Connection, before: Mapping[str, Row], after: Mapping[str, Row]
) -> None:
    """Keep the number of executions by agent and status, for exact totals of common lists."""
    changes: Counter[tuple[str, str, str]] = Counter()
    for id_, row in after.items():
        changes[_place(row)] += 1
        if id_ in before:
            changes[_place(before[id_])] -= 1
    rows = [
        {"workspace": workspace, "agent_id": agent, "status": status, "executions": number}
        for (workspace, agent, status), number in changes.items()
        if number
    ]
    upsert(connection, counts, rows, add=["executions"])
    emptied = [place for place, number in changes.items() if number < 0]
    if emptied:
        one_of_them = tuple_(*counts.primary_key).in_(emptied)
        connection.execute(counts.delete().where(one_of_them, counts.c.executions == 0))


def _place(row: Row) -> tuple[str, str, str]:
    return row["workspace"], row["agent_id"], row["status"]
