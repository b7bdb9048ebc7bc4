"""Costs grouped by whatever one asks, of the executions that satisfy any filters.

Agent, model and day are answered from the roll-up of costs; everything else adds up model calls,
and so takes longer the more executions match. Both count alike: an execution on the day of its
creation, a call on the day it was made, in UTC.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    func,
    literal,
    null,
    select,
)

from projections import costs
from projections.amounts import Amount
from projections.errors import InvalidQuery
from projections.execution_tables import executions, labels
from projections.executions import matching
from projections.filters import Filters
from projections.labels import METADATA, metadata_name
from projections.span_tables import spans
from projections.times import time_of

Json = dict[str, Any]
Key = tuple[Any, ...]

MOST_GROUPS: Final = 10_000
_DAY: Final = 24 * 60 * 60 * 10**6  # microseconds

_COLUMNS: Final[Mapping[str, ColumnElement[Any]]] = {
    "agent": executions.c.agent_id,
    "user": func.coalesce(executions.c.user_id, ""),
    "session": func.coalesce(executions.c.session_id, ""),
    "workspace": executions.c.workspace,
}
_FROM_CALLS: Final = ("model", "day")
_IN_ROLL_UP: Final = frozenset(costs.GROUPS)
_FILTERED_IN_ROLL_UP: Final = frozenset({"agent_id", "model"})
_SHOWN: Final = ("executions", "calls", "cost", "cost_usd", "total_tokens", "unpriced_tokens")


def grouped(
    connection: Connection, workspace: str, group_by: Sequence[str], filters: Filters
) -> list[Json]:
    """Rows of totals in the order of what they are grouped by, which stands in each.

    An execution may call many models, so `executions` is null where models are told apart; a
    filter for a model leaves the calls of others out. Without a value a group is called "".

    Args:
        connection: to the views.
        workspace: whose costs.
        group_by: any of agent, model, user, session, workspace, day and `metadata.<key>`.
        filters: which executions.

    Raises:
        InvalidQuery: names what it cannot group by; or there would be too many groups.
    """
    by = tuple(dict.fromkeys(group_by))
    _check(by)
    asked = {condition.name: condition.value for condition in filters.conditions}
    alone = len(asked) == len(filters.conditions)
    if alone and _IN_ROLL_UP.issuperset(by) and _FILTERED_IN_ROLL_UP.issuperset(asked):
        agent_id, model = asked.get("agent_id"), asked.get("model", (None, None))[1]
        rows = costs.grouped(connection, workspace, by, agent_id=agent_id, model=model)
        return [{name: row[name] for name in (*by, *_SHOWN)} for row in rows]
    return _added_up(connection, workspace, by, filters)


def _check(by: Sequence[str]) -> None:
    known = (*_COLUMNS, *_FROM_CALLS)
    named = f"{', '.join(known)} and metadata.<key>"
    if not by:
        raise InvalidQuery("group_by", f"say by what: {named}")
    for name in by:
        is_metadata = name.startswith(METADATA) and len(name) > len(METADATA)
        if name not in known and not is_metadata:
            raise InvalidQuery("group_by", f"{name!r} is not one of {named}")


def _added_up(
    connection: Connection, workspace: str, by: Sequence[str], filters: Filters
) -> list[Json]:
    models = [c.value[1] for c in filters.conditions if c.name == "model"]
    by_model = bool(models) or "model" in by
    ids = matching(workspace, filters).subquery()
    groups: dict[Key, Json] = {}
    if not by_model:
        statement = _by(by, _created, ids, executions, [func.count().label("executions")])
        _collect(connection, statement, groups)
    called = executions.join(spans, _is_call(models))
    statement = _by(by, _called, ids, called, _SUMS)
    _collect(connection, statement, groups)
    blank = {"executions": None if by_model else 0}
    return [
        _represent(by, key, blank | row) for key, row in sorted(groups.items(), key=lambda g: g[0])
    ]


def _is_call(models: Sequence[str]) -> ColumnElement[bool]:
    wanted = [spans.c.execution_id == executions.c.id, spans.c.model_name.is_not(None)]
    return and_(*wanted, *(spans.c.model_name == model for model in models))


_SUMS: Final = (
    func.count().label("calls"),
    func.sum(spans.c.total_tokens).label("total_tokens"),
    func.sum(spans.c.total_tokens).filter(spans.c.cost_nano.is_(None)).label("unpriced_tokens"),
    func.sum(spans.c.cost_nano).label("cost_nano"),
    func.sum(spans.c.cost_rest).label("cost_rest"),
)


def _created(name: str) -> ColumnElement[Any]:
    """What an execution is counted under."""
    return executions.c.created_at // _DAY if name == "day" else null()


def _called(name: str) -> ColumnElement[Any]:
    """What a call is counted under; it was made when it ended."""
    return spans.c.ended_at // _DAY if name == "day" else spans.c.model_name


def _by(
    by: Sequence[str],
    of_row: Callable[[str], ColumnElement[Any]],
    ids: FromClause,
    source: FromClause,
    sums: Sequence[ColumnElement[Any]],
) -> Select[Any]:
    """Sums over rows of a source, one row for each group; its columns come first."""
    source = source.join(ids, ids.c.id == executions.c.id)
    keys: list[ColumnElement[Any]] = []
    for place, name in enumerate(by):
        column = _COLUMNS.get(name)
        if name.startswith(METADATA):
            label = labels.alias()
            named = label.c.name == metadata_name(name.removeprefix(METADATA))
            source = source.outerjoin(label, and_(label.c.execution_id == executions.c.id, named))
            column = func.coalesce(label.c.value, literal(""))
        keys.append((of_row(name) if column is None else column).label(f"key_{place}"))
    statement = select(*keys, *sums).select_from(source).group_by(*(key.name for key in keys))
    return statement.limit(MOST_GROUPS + 1)


def _collect(connection: Connection, statement: Select[Any], groups: dict[Key, Json]) -> None:
    for row in connection.execute(statement).mappings():
        key = tuple(value for name, value in row.items() if name.startswith("key_"))
        found = {name: value for name, value in row.items() if not name.startswith("key_")}
        groups.setdefault(key, {}).update(found)
    if len(groups) > MOST_GROUPS:
        message = f"these are more than {MOST_GROUPS} groups; narrow them down with filters"
        raise InvalidQuery("group_by", message)


def _represent(by: Sequence[str], key: Key, row: Json) -> Json:
    calls = row.get("calls", 0)
    spent = Amount.in_row(row) if calls else Amount()
    return {
        **{name: _shown(name, value) for name, value in zip(by, key, strict=True)},
        "executions": row["executions"],
        "calls": calls,
        **spent.shown("cost", spent=calls > 0),
        "total_tokens": int(row.get("total_tokens") or 0),
        "unpriced_tokens": int(row.get("unpriced_tokens") or 0),
    }


def _shown(name: str, value: Any) -> Any:
    return time_of(value * _DAY).date().isoformat() if name == "day" else value
