"""How a query is refused, and how it fails."""

from typing import Any

from ledger.errors import Unavailable


class ViewsAway(Unavailable):
    """The database of the views does not answer, or not now; the same query may succeed later."""

    code = "views_away"

    def __init__(self) -> None:
        super().__init__("the database of the views does not answer; ask again in a moment")


class InvalidQuery(Exception):
    """A filter, a sort key, a cursor or a grouping that is unknown or has no meaning.

    Attributes:
        name: of the parameter.
        reason: what is wrong with it and what would do.
    """

    code = "invalid_query"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason
        self.details: dict[str, Any] = {"parameter": name}
