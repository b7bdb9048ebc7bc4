"""The statements by which executions are read, each prepared once for every shape it is asked in.

The shape of a list is what its statements depend on. What is asked for in particular is bound.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Dialect,
    Integer,
    Select,
    String,
    bindparam,
    func,
    literal,
    select,
)
from sqlalchemy.sql import FromClause

from projections.execution_json import columns_of, in_order
from projections.execution_tables import counts, executions, labels, payloads
from projections.filters import FILTERS, METADATA_FILTER, Condition, Filters
from projections.pages import Order, Part, Values, counting, part_of
from projections.prepared import Prepared

MOST_DESCENDANTS: Final = 10_000
"""How many are added up while somebody waits."""

_MOST_KEPT = 256
_COUNTED_BY = frozenset({"status", "agent_id"})
_WORKSPACE: Final = bindparam("workspace", type_=String, required=True)


def matching(workspace: Any, filters: Filters) -> tuple[Select[Any], Order]:
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
            wanted += _is_label(place, workspace, condition)
    key = filters.sort.removeprefix("-")
    order = Order(
        name=filters.sort,
        column=place.c[key] if key == "created_at" else executions.c[key],
        id=executions.c.id if place is executions else place.c.execution_id,
        descending=filters.sort.startswith("-"),
        nullable=bool(executions.c[key].nullable),
    )
    return select(executions.c.id).select_from(source).where(*wanted), order


def _is_label(
    label: FromClause, workspace: Any, condition: Condition
) -> Sequence[ColumnElement[bool]]:
    name, value = condition.value
    return label.c.workspace == workspace, label.c.name == name, label.c.value == value


def _to_count(workspace: Any, filters: Filters) -> Select[Any]:
    """The executions of a list, found without reading them where only labels are asked for."""
    if any(condition.filter.sql for condition in filters.conditions):
        return matching(workspace, filters)[0]
    first, *others = (labels.alias() for _ in filters.conditions)
    source: FromClause = first
    for label in others:
        source = source.join(label, label.c.execution_id == first.c.execution_id)
    pairs = zip((first, *others), filters.conditions, strict=True)
    wanted = [each for label, asked in pairs for each in _is_label(label, workspace, asked)]
    return select(first.c.execution_id).select_from(source).where(*wanted)


class Shape(NamedTuple):
    """What the statements of a list depend on.

    Attributes:
        conditions: of each its name in `FILTERS`, empty for one of metadata, and of how many
            values it consists, None for a single one.
        sort: as asked for.
        fields: to show; None for all.
    """

    conditions: tuple[tuple[str, int | None], ...]
    sort: str
    fields: frozenset[str] | None


def shape_of(filters: Filters) -> Shape:
    """The shape of the list that is asked for."""
    conditions = [
        (name if name in FILTERS else "", len(value) if isinstance(value, tuple) else None)
        for name, _, value in filters.conditions
    ]
    return Shape(tuple(conditions), filters.sort, filters.fields)


def values_of(workspace: str, filters: Filters) -> Values:
    """What is bound in the statements of a list: `workspace`, and `value_1` and so on."""
    values = {"workspace": workspace}
    for _, _, value in filters.conditions:
        for each in value if isinstance(value, tuple) else (value,):
            values[f"value_{len(values)}"] = each
    return values


class ListQueries:
    """The statements of the lists of one shape.

    Attributes:
        fields: to show, in order.
        columns: that are read for them.
        order: of the list.
        total: counts it.
        is_exact: whether that is the total however much it is; else it is what `counted_to` takes.
    """

    def __init__(self, dialect: Dialect, shape: Shape) -> None:
        self.fields = in_order(shape.fields)
        self.columns = columns_of(self.fields)
        filters = _with_parameters(shape)
        ids, self.order = matching(_WORKSPACE, filters)
        columns = [executions.c[name] for name in self.columns]
        self._rows = ids.with_only_columns(*columns, maintain_column_froms=True)
        self.is_exact = _COUNTED_BY.issuperset(condition.name for condition in filters.conditions)
        total = _rolled_up(filters) if self.is_exact else counting(_to_count(_WORKSPACE, filters))
        self.total = Prepared(dialect, total)
        self._dialect = dialect
        self._parts: dict[Part, Prepared] = {}

    def part(self, part: Part) -> Prepared:
        """What reads a part of the list."""
        if part not in self._parts:
            self._parts[part] = Prepared(self._dialect, part_of(self._rows, self.order, part))
        return self._parts[part]


list_queries = lru_cache(maxsize=_MOST_KEPT)(ListQueries)


def _with_parameters(shape: Shape) -> Filters:
    """Filters of a shape, with parameters in the place of values; named as in `values_of`."""
    conditions: list[Condition] = []
    number = 0
    for name, size in shape.conditions:
        first, number = number + 1, number + (size or 1)
        names = [f"value_{each}" for each in range(first, number + 1)]
        value: Any = tuple(bindparam(each, type_=String, required=True) for each in names)
        if size is None:
            value = bindparam(names[0], required=True)  # its type is that of the column
        conditions.append(Condition(name, FILTERS.get(name, METADATA_FILTER), value))
    return Filters(tuple(conditions), shape.sort)


def _rolled_up(filters: Filters) -> Select[Any]:
    """The total where the roll-up has it."""
    statement = select(func.sum(counts.c.executions)).where(counts.c.workspace == _WORKSPACE)
    for name, _, value in filters.conditions:
        wanted = counts.c[name]
        statement = statement.where(wanted.in_(value) if name == "status" else wanted == value)
    return statement


@lru_cache(maxsize=8)
def rows_by(dialect: Dialect, column: str) -> Prepared:
    """Executions of a workspace by `value` in a column, oldest first, `most` of them."""
    value: BindParameter[Any] = bindparam("value", required=True)
    statement = (
        select(executions)
        .where(executions.c.workspace == _WORKSPACE, executions.c[column] == value)
        .order_by(executions.c.created_at, executions.c.id)
        .limit(bindparam("most", type_=Integer, required=True))
    )
    return Prepared(dialect, statement)


# Statements about a number of executions. What is bound is `ids_as`.


def ids_as(ids: Sequence[str]) -> Values:
    """What is bound in a statement about executions."""
    return {f"id_{number}": id_ for number, id_ in enumerate(ids)}


def _ids(number: int) -> Sequence[BindParameter[str]]:
    return [bindparam(f"id_{n}", type_=String, required=True) for n in range(number)]


@lru_cache(maxsize=_MOST_KEPT)
def payloads_of(dialect: Dialect, number: int) -> Prepared:
    """The payloads of so many executions."""
    statement = select(payloads).where(payloads.c.execution_id.in_(_ids(number)))
    return Prepared(dialect, statement)


@lru_cache(maxsize=_MOST_KEPT)
def costs_below(dialect: Dialect, number: int) -> Prepared:
    """Of so many executions: `top`, and the cost of each that was run on its behalf."""
    below = _descendants(_ids(number))
    statement = select(below.c.top, below.c.cost_usd).limit(MOST_DESCENDANTS + 1)
    return Prepared(dialect, statement)


@lru_cache(maxsize=8)
def rows_below(dialect: Dialect) -> Prepared:
    """One execution and those below it: `depth` as far as `deepest`, `most` of them."""
    below = _descendants(_ids(1))
    statement = (
        select(executions, below.c.depth)
        .join(below, below.c.id == executions.c.id)
        .where(
            below.c.depth <= bindparam("deepest", type_=Integer, required=True),
            executions.c.workspace == _WORKSPACE,
        )
        .limit(bindparam("most", type_=Integer, required=True))
    )
    return Prepared(dialect, statement)


def _descendants(ids: Sequence[BindParameter[str]]) -> FromClause:
    """For each of some executions, `top`, itself and all below it: `id`, `cost_usd`, `depth`.

    No word of the workspace, which all of them share: it would lead SQLite to the wrong index.
    """
    columns = (executions.c.id, executions.c.cost_usd)
    begin = select(executions.c.id.label("top"), *columns, literal(0).label("depth")).where(
        executions.c.id.in_(ids)
    )
    below = begin.cte("below", recursive=True)
    children = select(below.c.top, *columns, below.c.depth + 1).where(
        executions.c.parent_id == below.c.id
    )
    return below.union_all(children)
