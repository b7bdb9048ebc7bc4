import re
from collections.abc import Iterator

import pytest

from ledger import digest, errors, model_prices, run_budget, store, strict_json
from ledger.errors import LedgerError

OWN = {each.__name__ for each in (errors, strict_json, digest, store, model_prices, run_budget)}


def children_of(parent: type[LedgerError]) -> Iterator[type[LedgerError]]:
    for child in parent.__subclasses__():
        yield child
        yield from children_of(child)


ERRORS: list[type[LedgerError]] = [
    LedgerError,
    *(each for each in children_of(LedgerError) if each.__module__ in OWN),
]


def drawn(drawing: str) -> Iterator[tuple[str, str]]:
    """Each class of the drawing with its parent."""
    path: list[str] = []
    for prefix, name in re.findall(r"^    ([│├└─ ]*)(\w+)(?:  .*)?$", drawing, re.MULTILINE):
        depth = len(prefix) // 4
        path[depth:] = [name]
        if depth:
            yield path[depth - 1], name


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_says_when_one_meets_it(error: type[LedgerError]) -> None:
    assert error.__doc__


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.__dict__.get("code") for error in ERRORS]

    assert None not in codes
    assert len(set(codes)) == len(codes)


def test_the_drawing_shows_the_tree_as_it_is() -> None:
    tree = {(error.__bases__[0].__name__, error.__name__) for error in ERRORS[1:]}

    assert set(drawn(errors.__doc__ or "")) == tree


def test_an_error_is_read_by_people_and_by_programs() -> None:
    refusal = errors.NameTaken("Writer", "agent-1")

    assert str(refusal) == refusal.message == "an agent named 'Writer' exists already (id agent-1)"
    assert refusal.details == {"name": "Writer", "agent_id": "agent-1"}
