"""What a validation found, in words for whoever sent the value."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from ledger.fields import WITHOUT_CONTROL

_OF_KINDS = "frames"
"""The list whose items are each one of several kinds, told by their `type`."""

_NO_OBJECT = {"dict_type", "model_type", "model_attributes_type"}


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        steps: where it stands: names, and numbers of items.
        message: what is wrong with it.
    """

    steps: tuple[int | str, ...]
    message: str


def problems_of(error: ValidationError, *within: str) -> list[Problem]:
    """Everything that was found, without the value itself, which may be secret.

    Args:
        error: what pydantic raised.
        within: the steps to the value that was validated.
    """
    found = error.errors(include_url=False, include_input=False)
    return [_problem(_as_sent(within + each["loc"]), each) for each in found]


def _problem(steps: tuple[int | str, ...], found: Any) -> Problem:
    if found["type"] == "union_tag_not_found":
        return Problem((*steps, "type"), "Field required")
    if found["type"] == "union_tag_invalid":
        return Problem((*steps, "type"), f"Input should be one of {found['ctx']['expected_tags']}")
    return Problem(steps, _message(found["type"], found["msg"], found.get("ctx", {})))


def _message(type_: str, message: str, context: Mapping[str, Any]) -> str:
    """Ours, where the library's is about Python, or about how a rule is written."""
    if type_ in _NO_OBJECT:
        return "Input should be an object"
    if type_.startswith("date_"):
        return "Input should be a day, as 2026-01-31"
    if context.get("pattern") == WITHOUT_CONTROL:
        return "Input should have no control characters"
    return message.removeprefix("Value error, ")


def _as_sent(steps: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """After the number of such an item pydantic names its kind, a step that nobody sent."""
    for at, step in enumerate(steps[:-2]):
        if step == _OF_KINDS:
            return steps[: at + 2] + steps[at + 3 :]
    return steps
