"""What a validation found, in words for whoever sent the value."""

from typing import NamedTuple

from pydantic import ValidationError


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        steps: where it stands: names, and numbers of items.
        message: what is wrong with it.
    """

    steps: tuple[int | str, ...]
    message: str


def problems_of(error: ValidationError) -> list[Problem]:
    """Everything that was found, without the value itself, which may be secret."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [Problem(each["loc"], each["msg"].removeprefix("Value error, ")) for each in found]
