"""Reading the questions that a list is asked."""

from typing import Any

import pytest

from projections.errors import InvalidQuery
from projections.filters import Filters, parse_filters
from projections.pages import PageRequest


def asked(*parameters: tuple[str, str]) -> Filters:
    return parse_filters(parameters)


def test_without_parameters_the_newest_twenty_of_all_are_asked_for() -> None:
    assert asked() == Filters((), "-created_at", PageRequest(1, 20, None), None)


def test_statuses_come_as_a_list_and_one_of_them_has_two_names() -> None:
    (condition,) = asked(("status", "running, waiting_approval")).conditions

    assert condition.value == ("running", "awaiting_approval")


def test_a_parameter_without_a_value_does_not_count() -> None:
    assert asked(("user_id", ""), ("cursor", ""), ("sort", "")) == asked()


def test_metadata_can_be_asked_for_the_empty_text() -> None:
    (condition,) = asked(("metadata.tenant", "")).conditions

    assert condition.value == ("metadata.tenant", "")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nonsense", "1"),
        ("Status", "running"),
        ("status", "walking"),
        ("status", ","),
        ("user_id", "a\0b"),
        ("user_id", "\ud800"),
        ("metadata.a", "\ud800"),
        ("model", "\ud800"),
        ("created_after", "yesterday"),
        ("created_after", "2026-01-31T00:00:00"),
        ("created_after", "2026-99-99"),
        ("completed_before", "0001-01-01T00:00:00+14:00"),
        ("min_cost", "NaN"),
        ("min_cost", "Infinity"),
        ("max_cost", "1e99"),
        ("max_cost", "a dollar"),
        ("min_tokens", "1.5"),
        ("min_tokens", "\N{ARABIC-INDIC DIGIT ONE}"),
        ("max_duration_ms", "9" * 19),
        ("sort", "name"),
        ("sort", "--cost"),
        ("fields", "id,password"),
        ("page", "two"),
        ("limit", "many"),
    ],
)
def test_a_question_without_meaning_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(InvalidQuery) as refusal:
        asked((name, text))

    assert refusal.value.name == name
    assert refusal.value.reason


def test_an_unknown_filter_is_told_which_there_are() -> None:
    with pytest.raises(InvalidQuery, match=r"status, agent_id, .*metadata\.<key>"):
        asked(("agent", "1"))


@pytest.mark.parametrize(
    ("page", "limit", "expected"),
    [("0", "0", (1, 20)), ("-3", "101", (1, 20)), ("7", "100", (7, 100)), ("1", "1", (1, 1))],
)
def test_a_page_out_of_range_becomes_the_default(
    page: str, limit: str, expected: tuple[int, int]
) -> None:
    request = asked(("page", page), ("limit", limit)).page

    assert (request.page, request.limit) == expected


def test_fields_are_a_set() -> None:
    assert asked(("fields", "id, status,")).fields == frozenset({"id", "status"})


@pytest.mark.parametrize(
    ("name", "text", "column", "inside", "outside"),
    [
        ("created_after", "2026-01-31", "created_at", 1_769_817_600_000_000, 1),
        ("created_before", "2026-01-31", "created_at", 1, 1_769_817_600_000_000),
        ("min_cost", "0.5", "cost", 500_000_000, 499_999_999),
        ("max_cost", "0.5", "cost", 500_000_000, 500_000_001),
        ("min_cost", "0", "cost", 0, None),
        ("max_cost", "9", "cost", 0, None),
        ("completed_before", "2026-01-31", "completed_at", 1, None),
    ],
)
def test_bounds_are_inclusive_except_before_and_the_unknown_is_in_none(
    name: str, text: str, column: str, inside: Any, outside: Any
) -> None:
    (condition,) = asked((name, text)).conditions

    assert condition.holds({column: inside})
    assert not condition.holds({column: outside})
