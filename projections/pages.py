"""Pages of a list: by number for clients that count, by cursor for everybody else.

A cursor is the place of the last row in its order; so what is inserted meanwhile neither repeats
nor hides a row. A total is exact when counting is cheap, else it says that it is an estimate.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Any, NamedTuple, Self

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Select,
    bindparam,
    func,
    literal,
    select,
    tuple_,
)

from projections.errors import InvalidQuery

DEFAULT_LIMIT = 20
MOST_PER_PAGE = 100
MOST_COUNTED = 10_000
_FURTHEST_PAGE = 10**9
_LIMIT, _SKIPPED, _VALUE, _ID = "page_limit", "page_skipped", "page_value", "page_id"

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


class Part(Enum):
    """Which rows of a list are read by one statement."""

    NUMBERED = auto()
    """So many after skipping so many."""
    BEYOND = auto()
    """So many beyond a place, of those with a value to sort by."""
    VALUELESS = auto()
    """So many of those without one, which come last."""
    VALUELESS_BEYOND = auto()
    """So many of those without one, beyond an id."""


Values = dict[str, Any]
Rows = Sequence[Any]
"""Tuples of columns, of which the last two are the place in the order of the list."""
Read = Callable[[Part, Values], Rows]


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

    def read(part: Part, values: Values) -> Rows:
        return connection.execute(part_of(statement, order, part), values).all()

    rows, next_cursor = fetch_rows(read, order, request)
    items = [dict(zip(row._fields[:-2], row[:-2], strict=True)) for row in rows]
    return Listing(items, meta_of(total(), request, next_cursor))


def fetch_rows(read: Read, order: Order, request: PageRequest) -> tuple[Rows, str | None]:
    """The rows of one page, and the cursor of the next one if there are more.

    Args:
        read: runs the statement that `part_of` makes, with these values.
        order: of the list.
        request: which page.

    Raises:
        InvalidQuery: the cursor is not one of this list in this order.
    """
    most = request.limit + 1
    if request.cursor is None:
        rows = read(Part.NUMBERED, {_LIMIT: most, _SKIPPED: (request.page - 1) * request.limit})
    else:
        rows = _beyond(read, order, _read_cursor(request.cursor, order), most)
    has_more = len(rows) > request.limit
    rows = rows[: request.limit]
    return rows, _cursor(order, rows[-1]) if has_more else None


def part_of(statement: Select[Any], order: Order, part: Part) -> Select[Any]:
    """The statement that reads a part of a list, the place of each row in its last two columns."""
    statement = statement.add_columns(order.column.label("page_sort"), order.id.label("page_id"))
    value = bindparam(_VALUE, type_=order.column.type, required=True)
    id_ = bindparam(_ID, type_=order.id.type, required=True)
    by: list[ColumnElement[Any]] = [order.column, order.id]
    if part is Part.BEYOND:
        row, place = tuple_(*by), tuple_(value, id_)
        statement = statement.where(row < place if order.descending else row > place)
    elif part is not Part.NUMBERED:
        statement = statement.where(order.column.is_(None))
    if part is Part.VALUELESS_BEYOND:
        statement = statement.where(order.id < id_ if order.descending else order.id > id_)
    by = [column.desc() if order.descending else column.asc() for column in by]
    if part is Part.NUMBERED:
        statement = statement.offset(bindparam(_SKIPPED, type_=BigInteger, required=True))
        by[0] = by[0].nulls_last() if order.nullable else by[0]
    return statement.order_by(*by).limit(bindparam(_LIMIT, type_=Integer, required=True))


def _beyond(read: Read, order: Order, place: "_Place", most: int) -> Rows:
    """The rows beyond a place: first those with a value, then those without."""
    if place.value is None:
        return read(Part.VALUELESS_BEYOND, {_ID: place.id, _LIMIT: most})
    rows = read(Part.BEYOND, {_VALUE: place.value, _ID: place.id, _LIMIT: most})
    if not order.nullable or len(rows) == most:
        return rows
    return [*rows, *read(Part.VALUELESS, {_LIMIT: most - len(rows)})]


def counted(connection: Connection, matching: Select[Any]) -> Total:
    """Count rows, up to a number beyond which nobody reads on."""
    return counted_to(connection.scalar(counting(matching)) or 0)


def counting(matching: Select[Any]) -> Select[Any]:
    """The statement that counts rows, for `counted_to`."""
    rows = matching.with_only_columns(literal(1), maintain_column_froms=True)
    return select(func.count()).select_from(rows.limit(MOST_COUNTED + 1).subquery())


def counted_to(count: int) -> Total:
    """The total that the statement of `counting` stands for."""
    return Total(min(count, MOST_COUNTED), count > MOST_COUNTED)


def meta_of(total: Total, request: PageRequest, next_cursor: str | None) -> dict[str, Any]:
    """What the wire's `meta` says about a page."""
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


class _Place(NamedTuple):
    value: int | str | None
    id: str


def _cursor(order: Order, row: Sequence[Any]) -> str:
    place = orjson.dumps((order.name, *row[-2:]))
    return urlsafe_b64encode(place).decode().rstrip("=")


def _read_cursor(text: str, order: Order) -> _Place:
    try:
        place = orjson.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
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
