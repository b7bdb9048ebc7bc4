"""The one way a query is refused."""

from typing import Any


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
