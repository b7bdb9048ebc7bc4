"""Executions as one may ask for them: a list, one, its tree, one as it was."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Select

from ledger.errors import LimitExceeded, NotFound
from ledger.mapper import Recorded
from projections import execution_queries as queries
from projections.execution_json import (
    BESIDE_THE_ROW,
    INCLUSIVE,
    PAYLOADS,
    Json,
    by_column,
    represent,
    represent_all,
)
from projections.execution_rows import Row, fold
from projections.execution_view import Executions
from projections.filters import Filters
from projections.money import decimal_text
from projections.pages import Listing as Page
from projections.pages import Part, Rows, Total, Values, counted_to, fetch_rows, meta_of

__all__ = [
    "Executions",
    "Filters",
    "Page",
    "as_of",
    "find_by_trace",
    "get_execution",
    "list_executions",
    "matching",
    "tree",
]

_DEEPEST = 100  # JSON readers and writers stop at some depth, ours at 254 levels


def list_executions(connection: Connection, workspace: str, filters: Filters) -> Page:
    """A page of the executions of a workspace.

    Payloads are read only if they are asked for, which asking for no fields in particular does.

    Raises:
        InvalidQuery: the cursor is not one of this list.
    """
    asked = queries.list_queries(connection.dialect, queries.shape_of(filters))
    values = queries.values_of(workspace, filters)

    def read(part: Part, place: Values) -> Rows:
        return asked.part(part).rows(connection, values | place)

    found, next_cursor = fetch_rows(read, asked.order, filters.page)
    count = asked.total.scalar(connection, values) or 0
    total = Total(int(count)) if asked.is_exact else counted_to(count)
    rows = by_column((*asked.columns, "page_sort", "page_id"), found)
    rows |= _beside(connection, rows["id"], asked.fields)
    items = represent_all(rows, asked.fields)
    return Page(items, meta_of(total, filters.page, next_cursor))


def get_execution(connection: Connection, workspace: str, id_: str) -> Json:
    """One execution, with its payloads.

    Raises:
        NotFound: there is none in this workspace.
    """
    rows = _by(connection, "id", {"workspace": workspace, "value": id_, "most": 1})
    if not rows:
        raise NotFound(kind="execution", id_=id_)
    return rows[0]


def find_by_trace(connection: Connection, workspace: str, trace_id: str, limit: int) -> list[Json]:
    """The executions of a trace, oldest first, with their payloads."""
    wanted = {"workspace": workspace, "value": trace_id, "most": limit}
    return _by(connection, "trace_id", wanted)


def tree(connection: Connection, workspace: str, id_: str, most: int) -> Json:
    """One execution with `children`, each with its own, oldest first.

    Args:
        connection: to the views.
        workspace: of all of them.
        id_: of the execution at the top.
        most: executions in all.

    Raises:
        NotFound: there is none in this workspace.
        LimitExceeded: there are more, or they are nested too deeply; a part of them would have
            sums that are wrong.
    """
    statement = queries.rows_below(connection.dialect)
    values = {"workspace": workspace, "id_0": id_, "deepest": _DEEPEST, "most": most + 1}
    found = statement.rows(connection, values)
    rows = [dict(zip(statement.columns, row, strict=True)) for row in found]
    nodes = {row["id"]: row for row in rows}
    if id_ not in nodes:
        raise NotFound(kind="execution", id_=id_)
    if len(rows) > most or any(row["depth"] >= _DEEPEST for row in rows):
        message = (
            f"a tree of more than {most:,} executions, or {_DEEPEST} levels, is not shown; "
            "list them with root_id, or ask for the tree of one of them"
        )
        raise LimitExceeded(message, execution_id=id_)
    for name, each in _beside(connection, list(nodes), PAYLOADS).items():
        for row, payload in zip(nodes.values(), each, strict=True):
            row[name] = payload
    return _nested(nodes, id_)


def as_of(events: Sequence[Recorded]) -> Json:
    """An execution as it was after the last of these events, from the log alone.

    Args:
        events: of the execution, from its first on; frames may be left out, but for the last.
    """
    return represent(fold(events))


def matching(workspace: str, filters: Filters) -> Select[Any]:
    """The ids of the executions that satisfy filters, for other queries to go on with."""
    return queries.matching(workspace, filters)[0]


def _by(connection: Connection, column: str, wanted: Values) -> list[Json]:
    statement = queries.rows_by(connection.dialect, column)
    rows = by_column(statement.columns, statement.rows(connection, wanted))
    return represent_all({**rows, **_beside(connection, rows["id"])})


def _beside(
    connection: Connection, ids: Sequence[str], fields: Collection[str] = BESIDE_THE_ROW
) -> dict[str, Sequence[str | None]]:
    """What is not in the rows of executions, in the order of their ids, if it is to be shown."""
    values = queries.ids_as(ids)
    found: dict[str, Sequence[str | None]] = {}
    if not PAYLOADS.isdisjoint(fields):
        payloads = queries.payloads_of(connection.dialect, len(ids))
        by_id = {row[0]: row for row in payloads.rows(connection, values)}
        rows = by_column(payloads.columns, [by_id[id_] for id_ in ids])
        found |= {name: rows[name] for name in PAYLOADS}
    if INCLUSIVE in fields:
        costs = queries.costs_below(connection.dialect, len(ids)).rows(connection, values)
        found[INCLUSIVE] = _inclusive_costs(ids, costs)
    return found


def _inclusive_costs(ids: Sequence[str], costs: Sequence[Sequence[Any]]) -> list[str | None]:
    """What each execution cost with all that was run on its behalf; None where that is unknown.

    It is unknown, too, when there are too many descendants to add up while somebody waits.
    """
    if len(costs) == len(ids):  # each is one of its own sum, so none has anything below it
        alone = {row[0]: row[1] for row in costs}
        return [alone[id_] for id_ in ids]
    known: dict[str, list[str | None]] = {}
    for top, cost in costs if len(costs) <= queries.MOST_DESCENDANTS else ():
        known.setdefault(top, []).append(cost)
    return [_sum(known.get(id_, ())) for id_ in ids]


def _sum(costs: Sequence[str | None]) -> str | None:
    """The sum of what is known of exact amounts; None when nothing is."""
    if len(costs) == 1:
        return costs[0]
    known = [Decimal(cost) for cost in costs if cost is not None]
    return decimal_text(sum(known, Decimal(0))) if known else None


def _nested(nodes: Mapping[str, Row], top: str) -> Json:
    """The tree below one node; inclusive costs are added up from the leaves."""
    shown: dict[str, Json] = {}
    children: dict[str, list[str]] = {}
    for row in sorted(nodes.values(), key=lambda row: (row["created_at"], row["id"])):
        if row["id"] != top:
            children.setdefault(row["parent_id"], []).append(row["id"])
    for id_ in _leaves_first(children, top):
        row = nodes[id_]
        below = [nodes[child][INCLUSIVE] for child in children.get(id_, ())]
        row[INCLUSIVE] = _sum([row["cost_usd"], *below])
        shown[id_] = represent(row) | {"children": [shown[c] for c in children.get(id_, ())]}
    return shown[top]


def _leaves_first(children: Mapping[str, Sequence[str]], top: str) -> list[str]:
    order = [top]
    for id_ in order:
        order.extend(children.get(id_, ()))
    return order[::-1]
