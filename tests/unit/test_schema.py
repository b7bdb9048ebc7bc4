from typing import Any

import pytest

from ledger.errors import InvalidInput, InvalidSchema
from ledger.schema import check_input, check_schema
from ledger.strict_json import decode

QUESTION = {
    "type": "object",
    "properties": {
        "question": {"type": "string", "minLength": 3},
        "top_k": {"type": "integer", "maximum": 10},
    },
    "required": ["question"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        QUESTION,
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "prefixItems": [{}]},
        {"$defs": {"n": {"type": "number"}}, "$ref": "#/$defs/n"},
    ],
)
def test_a_json_schema_is_accepted(schema: dict[str, Any]) -> None:
    check_schema(schema, "input_schema")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "text"},
        {"required": "question"},
        {"properties": {"a": {"pattern": "("}}},
        {"$ref": "#/$defs/missing"},
        {"maximum": decode(b"1e400")},
        {"const": 2**64},
    ],
)
def test_what_is_no_json_schema_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidSchema, match="output_schema is not a JSON Schema") as refusal:
        check_schema(schema, "output_schema")

    assert refusal.value.details == {"field": "output_schema"}


@pytest.mark.parametrize("uri", ["https://example.org/schema.json", "file:///etc/passwd"])
def test_a_schema_fetches_nothing_from_outside(uri: str) -> None:
    with pytest.raises(InvalidSchema, match="references must stay within it"):
        check_schema({"$ref": uri}, "input_schema")


def test_an_input_that_satisfies_the_schema_passes() -> None:
    check_input(QUESTION, {"question": "why?", "top_k": 10})


def test_without_a_schema_any_input_passes() -> None:
    check_input({}, {"anything": [1, None]})


def test_each_violation_is_named_with_its_path() -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_input(QUESTION, {"question": "hm", "top_k": 11, "mood": "good"})

    violations = refusal.value.details["violations"]
    assert {violation["path"] for violation in violations} == {
        "input",
        "input.question",
        "input.top_k",
    }
    assert all(violation["message"] for violation in violations)


def test_a_path_leads_into_lists() -> None:
    schema = {"properties": {"items": {"items": {"type": "integer"}}}}

    with pytest.raises(InvalidInput, match=r"input\.items\[1\]: "):
        check_input(schema, {"items": [1, "two"]})


def test_at_most_twenty_violations_are_told() -> None:
    schema = {"additionalProperties": {"type": "null"}}

    with pytest.raises(InvalidInput) as refusal:
        check_input(schema, {str(n): n for n in range(100)})

    assert len(refusal.value.details["violations"]) == 20


def test_a_violation_does_not_quote_a_large_value_in_full() -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_input({"properties": {"a": {"type": "integer"}}}, {"a": "x" * 1_000_000})

    assert len(refusal.value.message) < 1_000


def test_a_fraction_as_it_was_sent_is_a_number_to_a_schema() -> None:
    schema = {"properties": {"x": {"type": "number", "maximum": 1.1}}}

    check_input(schema, decode(b'{"x":1.10}'))
    with pytest.raises(InvalidInput):
        check_input(schema, decode(b'{"x":1.11}'))


def test_a_number_that_no_double_holds_violates_a_schema_for_numbers() -> None:
    with pytest.raises(InvalidInput):
        check_input({"properties": {"x": {"type": "number"}}}, decode(b'{"x":1e400}'))


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*(?=b)\\1$", "(?=(a+)+$)b"])
def test_a_hostile_pattern_gives_up_instead_of_holding_the_writer(pattern: str) -> None:
    with pytest.raises(InvalidInput):
        check_input({"properties": {"a": {"pattern": pattern}}}, {"a": "a" * 5_000 + "!"})


@pytest.mark.parametrize(
    "schema", [{"$ref": "#"}, {"allOf": [{"$ref": "#"}]}, {"$dynamicRef": "#", "$anchor": "n"}]
)
def test_a_schema_that_refers_to_itself_comes_to_an_end(schema: dict[str, Any]) -> None:
    check_schema(schema, "input_schema")

    check_input(schema, {"a": {"a": {}}})
