"""The roles that a key may have; rules about who may decide are stated in them."""

from enum import StrEnum


class Role(StrEnum):
    """What a key may do, from the least to the most; docs/operations.md has the table."""

    READER = "reader"
    WORKER = "worker"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether it may do all that the other may."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)
