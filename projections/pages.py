"""Pages of a list: by number for clients that count, by cursor for everybody else.

A cursor is the place of the last row in its order; so what is inserted meanwhile neither repeats
nor hides a row. A total is exact when counting is cheap, else it says that it is an estimate.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

from sqlalchemy import ColumnElement, Connection, Select, func, literal, select, tuple_

from projections.errors import InvalidQuery

DEFAULT_LIMIT = 20
MOST_PER_PAGE = 100
MOST_COUNTED = 10_000
_FURTHEST_PAGE = 10**9
_SORT, _ID = "page_sort", "page_id"

Item = dict[str, Any]


class PageRequest(NamedTuple):
    """Which page is asked for; a cursor wins over a number."""

    page: int = 1
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None

    @classmethod
    def of(cls, page: str | None, limit: str | None, cursor: str | None = None) -> Self:
        """Read the parameters of a request; what is out of range becomes the default.

        Raises:
            InvalidQuery: not a number.
        """
        number = 1 if page is None else _number("page", page)
        size = DEFAULT_LIMIT if limit is None else _number("limit", limit)
        return cls(
            page=min(max(1, number), _FURTHEST_PAGE),
            limit=size if 1 <= size <= MOST_PER_PAGE else DEFAULT_LIMIT,
            cursor=cursor or None,
        )


class Order(NamedTuple):
    """The order of a list. Rows without a value in `column` come last, whichever the direction.

    Attributes:
        name: as asked for, for example "-created_at"; a cursor is good for one order only.
        column: by which it sorts.
        id: unique; breaks ties in the same direction.
        descending: whether the greatest comes first.
        nullable: whether `column` can be without a value.
    """

    name: str
    column: ColumnElement[Any]
    id: ColumnElement[Any]
    descending: bool = True
    nullable: bool = False


class Total(NamedTuple):
    """How many rows a list has in all, and whether that is an estimate."""

    number: int
    is_estimate: bool = False


class Listing(NamedTuple):
    """One page of a list and what the wire's `meta` says about it."""

    items: list[Item]
    meta: dict[str, Any]


def fetch(
    connection: Connection,
    statement: Select[Any],
    order: Order,
    request: PageRequest,
    total: Callable[[], Total],
) -> Listing:
    """Read one page.

    Args:
        connection: to the views.
        statement: selects the columns and the rows of the list, without an order.
        order: of the list.
        request: which page.
        total: counts the rows of the list.

    Raises:
        InvalidQuery: the cursor is not one of this list in this order.
    """
    statement = statement.add_columns(order.column.label(_SORT), order.id.label(_ID))
    if request.cursor is None:
        rows = _by_number(connection, statement, order, request)
    else:
        after = _read_cursor(request.cursor, order)
        rows = _after(connection, statement, order, after, request.limit + 1)
    has_more = len(rows) > request.limit
    rows = rows[: request.limit]
    next_cursor = _cursor(order, rows[-1]) if has_more else None
    for row in rows:
        del row[_SORT], row[_ID]
    return Listing(rows, _meta(total(), request, next_cursor))


def counted(connection: Connection, matching: Select[Any]) -> Total:
    """Count rows, up to a number beyond which nobody reads on."""
    rows = matching.with_only_columns(literal(1), maintain_column_froms=True)
    capped = rows.limit(MOST_COUNTED + 1).subquery()
    count = connection.scalar(select(func.count()).select_from(capped)) or 0
    return Total(min(count, MOST_COUNTED), count > MOST_COUNTED)


def _meta(total: Total, request: PageRequest, next_cursor: str | None) -> dict[str, Any]:
    pages = -(-total.number // request.limit)
    meta = {
        "total": total.number,
        "page": request.page,
        "limit": request.limit,
        "pages": pages,
        "total_pages": pages,
        "next_cursor": next_cursor,
        "has_more": next_cursor is not None,
    }
    return meta | {"total_is_estimate": True} if total.is_estimate else meta


def _by_number(
    connection: Connection, statement: Select[Any], order: Order, request: PageRequest
) -> list[Item]:
    first = order.column.desc() if order.descending else order.column.asc()
    if order.nullable:
        first = first.nulls_last()
    second = order.id.desc() if order.descending else order.id.asc()
    limited = statement.order_by(first, second).limit(request.limit + 1)
    return _rows(connection, limited.offset((request.page - 1) * request.limit))


def _after(
    connection: Connection, statement: Select[Any], order: Order, after: "_Place", limit: int
) -> list[Item]:
    """The rows after a place: first those with a value, then those without."""
    rows: list[Item] = []
    if after.value is not None:
        place = tuple_(literal(after.value, order.column.type), literal(after.id, order.id.type))
        row = tuple_(order.column, order.id)
        beyond = row < place if order.descending else row > place
        rows = _ordered(connection, statement.where(beyond), order, limit)
        if not order.nullable or len(rows) == limit:
            return rows
    statement = statement.where(order.column.is_(None))
    if after.value is None:
        beyond_id = order.id < after.id if order.descending else order.id > after.id
        statement = statement.where(beyond_id)
    return rows + _ordered(connection, statement, order, limit - len(rows))


def _ordered(
    connection: Connection, statement: Select[Any], order: Order, limit: int
) -> list[Item]:
    columns = (order.column, order.id)
    by = [column.desc() if order.descending else column.asc() for column in columns]
    return _rows(connection, statement.order_by(*by).limit(limit))


def _rows(connection: Connection, statement: Select[Any]) -> list[Item]:
    result = connection.execute(statement)
    names = list(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result.all()]


class _Place(NamedTuple):
    value: int | str | None
    id: str


def _cursor(order: Order, row: Item) -> str:
    place = json.dumps([order.name, row[_SORT], row[_ID]], separators=(",", ":"))
    return urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _read_cursor(text: str, order: Order) -> _Place:
    try:
        place = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        json.dumps(place, ensure_ascii=False).encode()  # fails on what no database can be asked
    except (ValueError, RecursionError):
        place = None
    if not _is_place(place):
        raise InvalidQuery(
            name="cursor", reason="this is no cursor; take meta.next_cursor of the page before"
        )
    name, value, id_ = place
    if name != order.name:
        raise InvalidQuery(
            name="cursor", reason=f"it continues a list sorted by {name!r}, not {order.name!r}"
        )
    if type(value) not in _value_types(order):
        raise InvalidQuery(name="cursor", reason="this is no cursor of this list")
    return _Place(value, id_)


def _is_place(place: Any) -> bool:
    match place:
        case [str(), int() | str() | None as value, str()]:
            in_range = not isinstance(value, int) or -(2**63) <= value < 2**63
            return in_range and "\0" not in f"{value}{place[2]}"
        case _:
            return False


def _value_types(order: Order) -> Sequence[type]:
    value = order.column.type.python_type
    return (value, type(None)) if order.nullable else (value,)


def _number(name: str, text: str) -> int:
    try:
        return int(text[:40])
    except ValueError:
        raise InvalidQuery(name, "this is not a whole number") from None
