"""Pages of a list, and the way from one to the next."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from ledger_client.record import Record, data_of
from ledger_client.request import Call

T = TypeVar("T")


class PageMeta(Record):
    """Where a page stands in its list. `next_cursor` is what the next one is asked with."""

    total: int
    page: int
    limit: int
    pages: int
    total_pages: int
    next_cursor: str | None
    has_more: bool


class Page(Generic[T]):
    """Some of a list: iterate over it, or read `data` and `meta`."""

    def __init__(self, data: list[T], meta: PageMeta) -> None:
        self.data = data
        self.meta = meta

    def __iter__(self) -> Iterator[T]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, name: int | str) -> Any:
        if isinstance(name, int):
            return self.data[name]
        return {"data": self.data, "meta": self.meta}[name]

    def __repr__(self) -> str:
        return f"Page({self.data!r}, {self.meta!r})"


def page_of(kind: Callable[[Mapping[str, Any]], T]) -> Callable[[Any], Page[T]]:
    """Reads an answer that is a page."""

    def parse(body: Any) -> Page[T]:
        items = [kind(each) for each in data_of(body, list)]
        return Page(items, PageMeta(body.get("meta") or {}))

    return parse


def call_after(call: Call[Page[T]], page: Page[T]) -> Call[Page[T]] | None:
    """What asks for the page after this one; None where the list ends."""
    cursor = page.meta.get("next_cursor")
    if not page.meta.get("has_more") or not cursor:
        return None
    return call.with_query(cursor=cursor, page=None)
