"""Pages on the wire: what may be asked of a list, and what is said about the page."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from server.route import Query

_LIMIT = 20
_MOST = 100
_LAST_PAGE = 2**53


def _page(value: Any) -> Any:
    number = _whole(value)
    return value if number is None else min(max(number, 1), _LAST_PAGE)


def _limit(value: Any) -> Any:
    number = _whole(value)
    if number is None:
        return value
    return number if 1 <= number <= _MOST else _LIMIT


def _whole(value: Any) -> int | None:
    digits = str(value).removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 1000):
        return None
    return int(value)


class PageQuery(Query):
    """Which page. Published clients count pages; `cursor` is for those who read to the end."""

    page: Annotated[int, BeforeValidator(_page)] = Field(
        1, description="Counted from 1; a number below becomes 1."
    )
    limit: Annotated[int, BeforeValidator(_limit)] = Field(
        _LIMIT, description="Rows of a page, 1 to 100; anything else becomes 20."
    )
    cursor: str | None = Field(
        None, max_length=1000, description="The `next_cursor` of the page before; wins over `page`."
    )


class PageMeta(BaseModel):
    """Where a page stands. `pages` and `total_pages` are the same number."""

    total: int
    page: int
    limit: int
    pages: int
    total_pages: int
    next_cursor: str | None
    has_more: bool
    total_is_estimate: bool | None = None
