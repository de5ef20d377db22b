"""What a schema says of a value is found in references and `allOf` too, and in the alternative besides null."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from engine.schema import FORMATS, JSON_TYPES, InstanceSchema, Subschema
from engine.schema.samples import TIMES, Guess, sample, values_to_ask
from engine.spec import Outline, OutlinedFeature, bare_model

DEFINITIONS = {
    "size": {"type": "number", "minimum": 0, "default": 3.5, "title": "a size"},
    "width": {"$ref": "#/$defs/size", "maximum": 9},
    "loop": {"$ref": "#/$defs/back", "title": "a loop"},
    "back": {"$ref": "#/$defs/loop", "maximum": 7},
    "tree": {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/tree"}]},
    "color": {"enum": ["red", "blue", None]},
    "a/b": {"type": "string"},
}


def read(schema: Any) -> Subschema:
    """Read a schema that may refer to the definitions."""
    return Subschema(schema, {"$defs": DEFINITIONS})


@pytest.mark.parametrize(
    ("schema", "types"),
    [
        (True, JSON_TYPES),
        (False, JSON_TYPES),  # never too few
        ({}, JSON_TYPES),
        ({"type": "integer"}, {"number"}),
        ({"type": ["integer", "null"]}, {"number", "null"}),
        ({"enum": ["a", 1, None]}, {"string", "number", "null"}),
        ({"const": True}, {"boolean"}),
        ({"type": ["string", "null"], "enum": ["a"]}, {"string"}),
        ({"$ref": "#/$defs/width"}, {"number"}),
        ({"$ref": "#/$defs/a~1b"}, {"string"}),
        ({"$ref": "#/$defs/a%7E1b"}, {"string"}),
        ({"$ref": "#/$defs/none"}, JSON_TYPES),
        ({"$ref": "https://example.org/other"}, JSON_TYPES),
        ({"$ref": "#/$defs/loop", "type": "number"}, {"number"}),
        ({"$ref": "#/$defs/tree"}, JSON_TYPES),
        ({"allOf": [{"type": ["number", "string"]}, {"type": ["number", "null"]}]}, {"number"}),
        ({"anyOf": [{"$ref": "#/$defs/size"}, {"type": "null"}]}, {"number", "null"}),
        ({"oneOf": [{"type": "string"}, True]}, JSON_TYPES),
    ],
)
def test_types_are_all_that_may_be_allowed(schema: Any, types: set[str]) -> None:
    assert types == read(schema).types
    assert ("null" in types) == read(schema).is_nullable


@pytest.mark.parametrize(
    ("schema", "is_whole"),
    [
        (True, False),
        ({"type": "integer"}, True),
        ({"type": ["integer", "null"]}, True),
        ({"type": ["integer", "number"]}, False),
        ({"enum": [1, 2]}, True),
        ({"enum": [1, 2.5]}, False),
        ({"const": 1}, True),
        ({"allOf": [{"type": "number"}, {"type": "integer"}]}, True),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, True),
        ({"anyOf": [{"type": "integer"}, {"type": "number"}]}, False),
        ({"$ref": "#/$defs/size"}, False),
        ({"$ref": "#/$defs/tree"}, False),
        ({"$ref": "#/$defs/loop"}, False),
    ],
)
def test_numbers_are_whole_if_that_is_certain(schema: Any, is_whole: bool) -> None:
    assert is_whole == read(schema).is_whole


def test_keywords_are_those_of_references_too_and_the_own_ones_count_first() -> None:
    said = read({"$ref": "#/$defs/width", "title": "mine"}).said
    assert (0, 9, "mine") == (said["minimum"], said["maximum"], said["title"])
    said = read({"anyOf": [{"$ref": "#/$defs/size"}, {"type": "null"}], "allOf": [{"maximum": 5}]}).said
    assert (0, 5) == (said["minimum"], said["maximum"])


def test_a_reference_that_leads_back_says_nothing_more() -> None:
    schema = read({"$ref": "#/$defs/loop", "minimum": 1})
    assert ("a loop", 7, 1) == tuple(schema.said[keyword] for keyword in ("title", "maximum", "minimum"))
    assert (None, ()) == (schema.default, schema.listed)


def test_of_several_alternatives_only_what_is_usual_is_said_by_the_first() -> None:
    schema = read({"oneOf": [{"type": "null"}, {"type": "integer", "maximum": 2}, {"type": "number", "minimum": 5}]})
    assert "maximum" not in schema.said
    assert 2 == schema.usual.schema["maximum"]
    assert schema.usual.is_whole


@pytest.mark.parametrize(
    ("schema", "default"),
    [
        (True, None),
        ({"default": 1}, 1),
        ({"$ref": "#/$defs/width"}, 3.5),
        ({"$ref": "#/$defs/width", "default": None}, None),
        ({"allOf": [{"default": 1}]}, None),  # it describes an alternative or a part, not the feature
        ({"anyOf": [{"default": 1}]}, None),
    ],
)
def test_a_default_is_written_in_the_schema_or_where_its_reference_leads(schema: Any, default: Any) -> None:
    assert default == read(schema).default


def test_listed_values_are_sorted_scalars() -> None:
    assert ("blue", "red") == read({"$ref": "#/$defs/color"}).listed
    assert ("b", "a") == read({"$ref": "#/$defs/color", "enum": ["b", "a"]}).listed[::-1]
    assert (1, "a") == read({"enum": [1, "a", [2]]}).listed  # of several types, in their order


def test_a_schema_judges_with_the_definitions_of_its_document_and_without_formats() -> None:
    assert [True, False, False] == [read({"$ref": "#/$defs/width"}).takes(value) for value in (5, 10, "5")]
    assert read({"type": "string", "format": "date"}).takes("no date")


def test_an_instance_has_features_by_name_or_by_place() -> None:
    schema = InstanceSchema(
        {"type": "object", "required": ["b", "a"], "properties": {"a": {"type": "string"}, "b": True}}
    )
    assert ("object", ["a", "b"], ["b", "a"]) == (schema.form, [*schema.properties], [*schema.required])
    assert ({"string"}, True) == (schema.feature("a").types, schema.feature("c").schema)
    row = InstanceSchema({"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "number"}})
    assert ("array", 0, None) == (row.form, row.least_items, row.most_items)
    assert [{"string"}, {"number"}] == [row.feature(place).types for place in (0, 7)]
    text = InstanceSchema({"type": "string"})
    assert ("value", text) == (text.form, text.feature(0))
    assert ("value", {}) == (InstanceSchema(True).form, InstanceSchema(True).properties)


def test_features_are_left_out_with_their_requirement() -> None:
    schema = InstanceSchema({"required": ["a"], "properties": {"a": True, "b": True}})
    assert {"properties": {"b": True}} == schema.without(("a",)).schema
    assert schema is schema.without(())


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (True, None),
        ({"$ref": "#/$defs/width"}, 3.5),
        ({"examples": [2], "enum": [1, 2]}, 2),
        ({"enum": [1, 2]}, 1),
        ({"type": ["number", "null"], "minimum": 1}, None),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, 1 / 2),
        ({"type": "integer", "exclusiveMinimum": 4}, 5),
        ({"type": "number", "maximum": -4}, -4),
        ({"type": "string", "minLength": 6}, "textxx"),
        ({"type": "string", "maxLength": 2}, "te"),
        ({"type": "string", "format": "date"}, "2024-01-31"),
        ({"type": "boolean"}, False),
        ({"type": "array", "items": {"$ref": "#/$defs/width"}, "minItems": 2}, [3.5, 3.5]),
        ({"type": "object", "required": ["x"], "properties": {"x": {"const": 1}, "y": {"const": 2}}}, {"x": 1}),
    ],
)
def test_a_sample_is_what_the_schema_offers(schema: Any, value: Any) -> None:
    assert value == sample(read(schema))


def test_a_number_that_nothing_suggests_is_a_guess() -> None:
    for schema, is_guess in (({"type": "number"}, True), ({"type": "number", "minimum": -1, "maximum": 1}, False)):
        assert is_guess == isinstance(sample(read(schema)), Guess)


@pytest.mark.parametrize("form", FORMATS)
def test_a_text_that_is_made_up_is_of_its_format(form: str) -> None:
    schema = {"type": "string", "format": form}
    made = sample(read(schema))
    assert Draft202012Validator(schema, validate_formats=True).is_valid(made), made


@pytest.mark.parametrize(
    ("schema", "known", "values"),
    [
        ({"default": 1, "enum": [1, None, 2], "maximum": 9}, (7,), [1, 1, 2, 9]),
        ({"type": "string"}, ("a", "b"), ["a", "b"]),
        ({"type": "number"}, (), [0.5]),
        ({"type": "integer"}, (), [1]),
        ({"type": "number", "exclusiveMinimum": 4}, (), [5]),
        ({"type": ["string", "boolean", "null"]}, (), ["text", False]),
        ({"type": "string", "format": "date-time"}, (), [TIMES["date-time"][0]]),
        ({"type": "null"}, (), [None]),
    ],
)
def test_a_model_is_asked_offered_values_then_known_then_plain_ones(
    schema: Any, known: tuple[Any, ...], values: list[Any]
) -> None:
    assert values == values_to_ask(read(schema), known)


def test_what_is_known_of_an_input_is_found_out_once_and_not_sent_to_workers() -> None:
    outline = Outline(title="", features=(OutlinedFeature(name="a", kind="number"),))
    schema = bare_model(Path("m.pkl"), (), outline).input
    size = len(pickle.dumps(schema))
    assert schema.instance is schema.instance
    assert schema.instance.types is schema.instance.types
    assert size == len(pickle.dumps(schema))
    assert schema.instance.types == pickle.loads(pickle.dumps(schema)).instance.types
