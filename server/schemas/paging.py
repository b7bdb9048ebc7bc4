"""Pages on the wire: what may be asked of a list, and what is said about the page."""

from pydantic import BaseModel, Field

from projections.pages import DEFAULT_LIMIT, MOST_PER_PAGE, PageRequest
from server.route import Query


class PageQuery(Query):
    """Which page. Published clients count pages; `cursor` is for those who read to the end."""

    page: int = Field(1, description="Counted from 1; a number below becomes 1.")
    limit: int = Field(
        DEFAULT_LIMIT,
        description=f"Rows of a page, 1 to {MOST_PER_PAGE}; anything else becomes {DEFAULT_LIMIT}.",
    )
    cursor: str | None = Field(
        None, max_length=1000, description="The `next_cursor` of the page before; wins over `page`."
    )

    @property
    def wanted(self) -> PageRequest:
        """The page that is meant."""
        return PageRequest.of(str(self.page), str(self.limit), self.cursor)


class PageMeta(BaseModel):
    """Where a page stands. `pages` and `total_pages` are the same number."""

    total: int
    page: int
    limit: int
    pages: int
    total_pages: int
    next_cursor: str | None
    has_more: bool
    total_is_estimate: bool | None = Field(
        None, description="True where counting all would be dear; absent where it was not."
    )
    next_after: int | None = Field(None, description="Of a history: the `after` of the next page.")
