"""The SQL of totals: from a cut where one can answer, else from all calls that are in question.

Every source has the columns `key_0`, `key_1` ... for what is grouped by, and what is added up; a
total is their sum over one source or several.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    and_,
    cast,
    func,
    literal,
    or_,
    select,
    union_all,
)

from projections import cost_calls, cost_text
from projections.cost_questions import (
    Question,
    Scope,
    cut_for,
    dimension_of,
    is_label,
    label_of,
)
from projections.cost_tables import BY_AGENT, BY_LABEL, HOUR, HOURS, NO_MODEL, Cut, calls
from projections.cost_text import MEASURES, MONEY
from projections.execution_tables import executions, labels
from projections.executions import matching

SUMS: Final = (*MEASURES, *MONEY)
"""What is added up."""

Column = ColumnElement[Any]


def totals(asked: Question) -> Select[Any]:
    """One row for each group, in any order: its keys, and the members of its JSON as text."""
    cut = cut_for(asked)
    if cut is None:
        return _added_up(asked)
    if cut is BY_LABEL:
        return _by_label(asked)
    return _of_cut(asked, cut)


def keys(asked: Question) -> list[str]:
    """The names of the columns that hold what is grouped by."""
    return [f"key_{place}" for place in range(len(asked.by))]


def money_of(scope: Scope) -> str:
    """What the money of a scope is called, so that no row can be taken for one of the other."""
    return "inclusive_cost" if scope is Scope.INCLUSIVE else "cost"


def _shown(asked: Question, source: Subquery) -> Select[Any]:
    """Sums, as they are shown."""
    text = cost_text.shown(money_of(asked.scope), of_calls=asked.of_calls)
    return select(*(source.c[name] for name in keys(asked)), text).select_from(source)


def _sum(column: Column) -> Column:
    """A sum as an integer, which no database makes a decimal of."""
    return cast(func.sum(column), BigInteger).label(column.name)


def _key(columns: Sequence[Column]) -> list[Column]:
    return [column.label(f"key_{place}") for place, column in enumerate(columns)]


# From cuts.


def _of_cut(asked: Question, cut: Cut) -> Select[Any]:
    table = cut.table.c
    wanted = [table.workspace == asked.workspace, *_in_period(asked, table.day, 1)]
    if asked.of_calls:
        wanted.append(table.model != NO_MODEL)
    for condition in asked.filters.conditions:
        column, value = table[dimension_of(condition) or ""], condition.value
        is_model = condition.name == "model"
        several = isinstance(value, tuple) and not is_model
        wanted.append(column.in_(value) if several else column == (value[1] if is_model else value))
    by = [table.workspace if name == "workspace" else table[name] for name in asked.by]
    if {*cut.key, "day"}.issubset(asked.by):
        if "shown" in table:
            return select(*_key(by), table.shown).where(*wanted)
        rows = select(*_key(by), *(table[name] for name in SUMS)).where(*wanted)
        return _shown(asked, rows.subquery())
    sums = select(*_key(by), *(_sum(table[name]) for name in SUMS)).where(*wanted)
    return _shown(asked, sums.group_by(*keys(asked)).subquery())


def _by_label(asked: Question) -> Select[Any]:
    """Totals by one key of the metadata; what does not have it is all that is left of the whole."""
    table = BY_LABEL.table.c
    (label,) = asked.labels
    wanted = [
        table.workspace == asked.workspace,
        table.label == label,
        *_in_period(asked, table.day, 1),
        *(table.value == condition.value[1] for condition in asked.filters.conditions),
    ]

    def of_label(value: Column, sign: int) -> Select[Any]:
        by = [_plain(name, asked, table.day, value) for name in asked.by]
        sums = [(sign * table[name]).label(name) for name in SUMS]
        return select(*_key(by), *sums).where(*wanted)

    sources = [of_label(table.value, 1)]
    if not asked.filters.conditions:
        whole = BY_AGENT.table.c
        by = [_plain(name, asked, whole.day, literal("")) for name in asked.by]
        given = [whole.workspace == asked.workspace, *_in_period(asked, whole.day, 1)]
        sources.append(select(*_key(by), *(whole[name] for name in SUMS)).where(*given))
        sources.append(of_label(literal(""), -1))
    return _united(sources, asked)


def _plain(name: str, asked: Question, day: Column, value: Column) -> Column:
    if is_label(name):
        return value
    return literal(asked.workspace) if name == "workspace" else day


# From calls.


def _added_up(asked: Question) -> Select[Any]:
    sources = [_of_calls(asked)]
    if not asked.of_calls:
        sources.append(_of_executions(asked))
    return _united(sources, asked)


def _of_calls(asked: Question) -> Select[Any]:
    own: Mapping[str, Column] = {
        "model": calls.c.model,
        "provider": calls.c.provider,
        "hour": calls.c.hour,
        "day": calls.c.hour // HOURS,
    }
    of_executions = calls.join(executions, executions.c.id == calls.c.execution_id)
    source, by, wanted = _placed(asked, of_executions, own)
    sums = [literal(0).label("executions")]
    sums += [cost_calls.SUMS[name].label(name) for name in SUMS[1:]]
    wanted += [calls.c.workspace == asked.workspace, *_in_period(asked, calls.c.hour, HOURS)]
    wanted += [calls.c.model == model for model in asked.models]
    statement = select(*_key(by), *sums).select_from(source).where(*wanted)
    return statement.group_by(*keys(asked))


def _of_executions(asked: Question) -> Select[Any]:
    created = executions.c.created_at
    own: Mapping[str, Column] = {"hour": created // HOUR, "day": created // (HOUR * HOURS)}
    source, by, wanted = _placed(asked, executions, own)
    sums = [func.count().label("executions"), *(literal(0).label(name) for name in SUMS[1:])]
    wanted += [executions.c.workspace == asked.workspace]
    wanted += _in_period(asked, created, HOUR * HOURS)
    statement = select(*_key(by), *sums).select_from(source).where(*wanted)
    return statement.group_by(*keys(asked))


def _placed(
    asked: Question, source: FromClause, own: Mapping[str, Column]
) -> tuple[FromClause, list[Column], list[ColumnElement[bool]]]:
    """A source, joined to the executions under which its rows are counted, and by what."""
    top: FromClause = executions
    if asked.scope is Scope.INCLUSIVE:
        top = executions.alias("top")
        source = source.join(top, top.c.id == executions.c.root_id)
    wanted: list[ColumnElement[bool]] = []
    if asked.of_runs.conditions:
        wanted.append(top.c.id.in_(matching(asked.workspace, asked.of_runs)))
    by: list[Column] = []
    for name in asked.by:
        if is_label(name):
            label = labels.alias()
            named = label.c.name == label_of(name)
            source = source.outerjoin(label, and_(label.c.execution_id == top.c.id, named))
            by.append(func.coalesce(label.c.value, ""))
        else:
            by.append(own[name] if name in own else _OF_TOP[name](top.c))
    return source, by, wanted


_OF_TOP: Final[Mapping[str, Callable[[Any], Column]]] = {
    "agent": lambda top: top.agent_id,
    "version": lambda top: top.agent_version_id,
    "user": lambda top: func.coalesce(top.user_id, ""),
    "session": lambda top: func.coalesce(top.session_id, ""),
    "workspace": lambda top: top.workspace,
    "status": lambda top: top.status,
}


def _united(sources: Sequence[Select[Any]], asked: Question) -> Select[Any]:
    """The sums over several sources; a group in which nothing is left is none."""
    rows = union_all(*sources).subquery()
    sums = [_sum(rows.c[name]) for name in SUMS]
    by = [rows.c[name] for name in keys(asked)]
    left = or_(func.sum(rows.c.executions) != 0, func.sum(rows.c.calls) != 0)
    return _shown(asked, select(*by, *sums).group_by(*by).having(left).subquery())


def _in_period(asked: Question, column: Column, of_a_day: int) -> list[ColumnElement[bool]]:
    """The conditions under which a time, so many of which are a day, is in the period."""
    first, last = asked.period.days
    wanted: list[ColumnElement[bool]] = []
    if first is not None:
        wanted.append(column >= first * of_a_day)
    if last is not None:
        wanted.append(column < (last + 1) * of_a_day)
    return wanted
