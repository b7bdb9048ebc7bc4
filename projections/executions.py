"""Executions as one may ask for them: a list, one, its tree, one as it was."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    bindparam,
    func,
    literal,
    select,
)
from sqlalchemy.sql import FromClause

from ledger.errors import NotFound
from ledger.mapper import Recorded
from projections.execution_json import (
    INCLUSIVE,
    PAYLOADS,
    Json,
    columns_of,
    in_order,
    represent,
)
from projections.execution_rows import Row, fold
from projections.execution_tables import counts, executions, labels, payloads
from projections.execution_view import Executions
from projections.filters import Filters
from projections.pages import Listing as Page
from projections.pages import Order, Total, counted, fetch

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

_MOST_DESCENDANTS = 10_000
_DEEPEST = 100  # JSON readers and writers stop at some depth, ours at 254 levels
_COUNTED_BY = frozenset({"status", "agent_id"})


def list_executions(connection: Connection, workspace: str, filters: Filters) -> Page:
    """A page of the executions of a workspace.

    Payloads are read only if they are asked for, which asking for no fields in particular does.

    Raises:
        InvalidQuery: the cursor is not one of this list.
    """
    fields = in_order(filters.fields)
    matching, order = _matching(workspace, filters)
    columns = [executions.c[name] for name in columns_of(fields)]
    statement = matching.with_only_columns(*columns, maintain_column_froms=True)
    page = fetch(
        connection, statement, order, filters.page, lambda: _total(connection, workspace, filters)
    )
    if not PAYLOADS.isdisjoint(fields):
        _add_payloads(connection, page.items)
    if INCLUSIVE in fields:
        _add_inclusive_costs(connection, page.items)
    return page._replace(items=[represent(row, fields) for row in page.items])


def get_execution(connection: Connection, workspace: str, id_: str) -> Json:
    """One execution, with its payloads.

    Raises:
        NotFound: there is none in this workspace.
    """
    rows = _by(connection, workspace, executions.c.id == id_)
    if not rows:
        raise NotFound(kind="execution", id_=id_)
    return rows[0]


def find_by_trace(connection: Connection, workspace: str, trace_id: str, limit: int) -> list[Json]:
    """The executions of a trace, oldest first, with their payloads."""
    return _by(connection, workspace, executions.c.trace_id == trace_id, limit)


def tree(connection: Connection, workspace: str, id_: str, most: int) -> Json:
    """One execution with `children`, each with its own, oldest first.

    Args:
        connection: to the views.
        workspace: of all of them.
        id_: of the execution at the top.
        most: executions in all. If there are more, or they are nested too deeply to be shown,
            `is_truncated` stands at the top.

    Raises:
        NotFound: there is none in this workspace.
    """
    statement = (
        select(executions, _BELOW.c.depth)
        .join(_BELOW, _BELOW.c.id == executions.c.id)
        .where(_BELOW.c.depth <= _DEEPEST, executions.c.workspace == workspace)
        .limit(most + 1)
    )
    rows = [dict(row) for row in connection.execute(statement, {"ids": [id_]}).mappings()]
    nodes = {row["id"]: row for row in rows[:most] if row["depth"] < _DEEPEST}
    if id_ not in nodes:
        raise NotFound(kind="execution", id_=id_)
    _add_payloads(connection, list(nodes.values()))
    return _nested(nodes, id_) | ({"is_truncated": True} if len(nodes) < len(rows) else {})


def as_of(events: Sequence[Recorded]) -> Json:
    """An execution as it was after the last of these events, from the log alone.

    Args:
        events: of the execution, from its first on; frames may be left out, but for the last.
    """
    return represent(fold(events))


def matching(workspace: str, filters: Filters) -> Select[Any]:
    """The ids of the executions that satisfy filters, for other queries to go on with."""
    return _matching(workspace, filters)[0]


def _matching(workspace: str, filters: Filters) -> tuple[Select[Any], Order]:
    """The executions of a list. One that asks for a label is read in the order of the labels."""
    source: FromClause = executions
    place: FromClause = executions
    wanted: list[ColumnElement[bool]] = [executions.c.workspace == workspace]
    for condition in filters.conditions:
        if condition.filter.sql is not None:
            wanted.append(condition.filter.sql(condition.value))
        else:
            place = labels.alias()
            source = source.join(place, place.c.execution_id == executions.c.id)
            name, value = condition.value
            wanted += [place.c.workspace == workspace, place.c.name == name, place.c.value == value]
    key = filters.sort.removeprefix("-")
    order = Order(
        name=filters.sort,
        column=place.c[key] if key == "created_at" else executions.c[key],
        id=executions.c.id if place is executions else place.c.execution_id,
        descending=filters.sort.startswith("-"),
        nullable=bool(executions.c[key].nullable),
    )
    return select(executions.c.id).select_from(source).where(*wanted), order


def _total(connection: Connection, workspace: str, filters: Filters) -> Total:
    """Exact from the roll-up where that has the answer; else counted up to a bound."""
    if {condition.name for condition in filters.conditions} <= _COUNTED_BY:
        statement = select(func.sum(counts.c.executions)).where(counts.c.workspace == workspace)
        for name, _, value in filters.conditions:
            wanted = counts.c[name]
            statement = statement.where(wanted.in_(value) if name == "status" else wanted == value)
        return Total(int(connection.scalar(statement) or 0))
    return counted(connection, _matching(workspace, filters)[0])


def _by(
    connection: Connection, workspace: str, condition: ColumnElement[bool], limit: int = 1
) -> list[Json]:
    statement = (
        select(executions)
        .where(executions.c.workspace == workspace, condition)
        .order_by(executions.c.created_at, executions.c.id)
        .limit(limit)
    )
    rows = [dict(row) for row in connection.execute(statement).mappings()]
    _add_payloads(connection, rows)
    _add_inclusive_costs(connection, rows)
    return [represent(row) for row in rows]


def _add_payloads(connection: Connection, rows: Collection[Row]) -> None:
    by_id = {row["id"]: row for row in rows}
    for payload in connection.execute(_PAYLOADS_OF, {"ids": list(by_id)}).mappings():
        by_id[payload["execution_id"]] |= {name: payload[name] for name in PAYLOADS}


def _add_inclusive_costs(connection: Connection, rows: Collection[Row]) -> None:
    """What each row cost with everything that was run on its behalf; None when that is unknown.

    It is unknown, too, when there are too many descendants to add up while somebody waits.
    """
    costs = connection.execute(_COSTS_BELOW, {"ids": [row["id"] for row in rows]}).all()
    sums: dict[str, Decimal] = {}
    for top, cost in costs if len(costs) <= _MOST_DESCENDANTS else ():
        if cost is not None:
            sums[top] = sums.get(top, Decimal(0)) + Decimal(cost)
    for row in rows:
        row[INCLUSIVE] = sums.get(row["id"])


def _descendants() -> FromClause:
    """For each of the executions `ids`, `top`, itself and all below it: `id`, `cost_usd`, `depth`.

    No word of the workspace, which all of them share: it would lead SQLite to the wrong index.
    """
    columns = (executions.c.id, executions.c.cost_usd)
    begin = select(executions.c.id.label("top"), *columns, literal(0).label("depth")).where(
        executions.c.id.in_(_IDS)
    )
    below = begin.cte("below", recursive=True)
    children = select(below.c.top, *columns, below.c.depth + 1).where(
        executions.c.parent_id == below.c.id
    )
    return below.union_all(children)


# Made once: making them for each request costs more than running them.
_IDS: Final[BindParameter[Any]] = bindparam("ids", expanding=True)
_PAYLOADS_OF: Final = select(payloads).where(payloads.c.execution_id.in_(_IDS))
_BELOW: Final = _descendants()
_COSTS_BELOW: Final = select(_BELOW.c.top, _BELOW.c.cost_usd).limit(_MOST_DESCENDANTS + 1)


def _nested(nodes: Mapping[str, Row], top: str) -> Json:
    """The tree below one node; inclusive costs are added up from the leaves."""
    shown: dict[str, Json] = {}
    children: dict[str, list[str]] = {}
    for row in sorted(nodes.values(), key=lambda row: (row["created_at"], row["id"])):
        if row["id"] != top:
            children.setdefault(row["parent_id"], []).append(row["id"])
    for id_ in _leaves_first(children, top):
        row = nodes[id_]
        own = None if row["cost_usd"] is None else Decimal(row["cost_usd"])
        below = [nodes[child][INCLUSIVE] for child in children.get(id_, ())]
        known = [cost for cost in (own, *below) if cost is not None]
        row[INCLUSIVE] = sum(known, Decimal(0)) if known else None
        shown[id_] = represent(row) | {"children": [shown[c] for c in children.get(id_, ())]}
    return shown[top]


def _leaves_first(children: Mapping[str, Sequence[str]], top: str) -> list[str]:
    order = [top]
    for id_ in order:
        order.extend(children.get(id_, ()))
    return order[::-1]
