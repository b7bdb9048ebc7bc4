"""What executions can be searched by beside their columns."""

from typing import Any

import pytest

from projections.labels import labels_of, metadata_name, searchable, value_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("", ""),
        (True, "true"),
        (None, "null"),
        (7, "7"),
        (0.5, "0.5"),
        ({"a": [1]}, '{"a":[1]}'),
        ("\N{SNOWMAN}", "\N{SNOWMAN}"),
    ],
)
def test_a_value_is_searched_by_the_text_one_would_type(value: Any, text: str) -> None:
    assert value_of(value) == text


def test_a_fraction_keeps_the_digits_it_was_written_with() -> None:
    assert dict(labels_of("[]", '{"share":1.50}')) == {"metadata.share": "1.50"}


@pytest.mark.parametrize("text", ["a\0b", "x" * 201])
def test_what_an_index_cannot_hold_is_known_by_its_digest(text: str) -> None:
    assert searchable(text).startswith("sha256:")
    assert len(searchable(text)) == 71
    assert searchable(text) != searchable(text + "x")
    assert metadata_name(text) == searchable("metadata." + text)


def test_labels_are_the_models_and_the_metadata() -> None:
    assert list(labels_of('["m1","m2"]', '{"tenant":"t"}')) == [
        ("model", "m1"),
        ("model", "m2"),
        ("metadata.tenant", "t"),
    ]
