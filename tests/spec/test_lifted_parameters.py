"""Parameters that schemas declare under `allOf` or by references become properties; schemas say the same as before."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.spec.gathering.lifted_parameters import lift_parameters
from engine.spec.reading.compose import compose_document
from engine.spec.reading.source import decode_source

NAMES = ("a", "b", "c")
VALUES = st.sampled_from([{"type": "integer"}, {"minimum": 2}, {"enum": [1, 2]}, {"$ref": "#/$defs/value"}, True])
OWN = st.fixed_dictionaries(
    {},
    optional={
        "properties": st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=2),
        "required": st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
        "type": st.just("object"),
        "title": st.just("some"),
        "additionalProperties": st.sampled_from([False, {"type": "integer"}]),
        "minProperties": st.integers(0, 2),
        "not": st.sampled_from([{"required": ["a"]}, {"required": ["b", "c"]}]),
        "unevaluatedProperties": st.just(False),
        "$ref": st.sampled_from(["#/$defs/one", "#/$defs/two", "#", "#/$defs/none"]),
    },
)
SCHEMAS = st.recursive(
    OWN | st.booleans(),
    lambda inner: st.builds(
        lambda own, parts: {**(own if isinstance(own, dict) else {}), "allOf": parts},
        OWN,
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=5,
)
OBJECTS = st.dictionaries(st.sampled_from([*NAMES, "d"]), st.sampled_from([1, 2, 3, "x"]), max_size=4)


def lifted(schema: Any) -> Any:
    return lift_parameters(compose_document(decode_source(json.dumps(schema).encode(), "f.yaml"))).plain


def judge(schema: Any, value: Any) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(value)


def leads_somewhere(schema: Any) -> bool:
    return not any(one in json.dumps(schema) for one in ('"#"', "$defs/none"))


@settings(max_examples=600, deadline=None)
@given(schema=SCHEMAS.filter(lambda one: isinstance(one, dict)), one=SCHEMAS, two=OWN, value=OBJECTS)
def test_the_schema_says_the_same_as_before(schema: Any, one: Any, two: Any, value: Any) -> None:
    """By the judgement of another library, of any object; a root that forbids what it does not list lists more."""
    one, two = (json.loads(json.dumps(part).replace("$defs/one", "$defs/value")) for part in (one, two))
    two.pop("$ref", None)
    schema = {**schema, "$defs": {"one": one, "two": two, "value": {"type": "integer"}}}
    found = lifted(schema)
    if leads_somewhere(schema) and "additionalProperties" not in schema:
        assert judge(schema, value) == judge(found, value), found


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"allOf": [{"properties": {"a": {}}}]}, {"properties": {"a": {}}}),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"properties": {"a": {}}}}}, {"properties": {"a": {}}}),
        (
            {"properties": {"a": {"minimum": 1}}, "allOf": [{"properties": {"a": {"maximum": 2, "default": 1}}}]},
            {"properties": {"a": {"allOf": [{"minimum": 1}, {"maximum": 2, "default": 1}], "default": 1}}},
        ),
        (
            {"required": ["a"], "allOf": [{"required": ["b", "a"], "properties": {"b": {}}, "title": "B"}]},
            {"required": ["a", "b"], "properties": {"b": {}}},
        ),
        (
            {"allOf": [{"properties": {"a": {}}, "minProperties": 1}]},
            {"properties": {"a": {}}, "allOf": [{"minProperties": 1}]},
        ),
        (
            {"allOf": [{"properties": {"a": {}}, "additionalProperties": False}]},
            {"properties": {"a": {}}, "allOf": [{"properties": {"a": {}}, "additionalProperties": False}]},
        ),
    ],
)
def test_properties_are_lifted(schema: Any, expected: Any) -> None:
    assert expected == {key: value for key, value in lifted(schema).items() if key != "$defs"}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {}}},
        {"allOf": [{"required": ["a"]}], "properties": {"a": {}}},
        {"allOf": [True, {"properties": {"a": {}}}, {"$ref": "#/allOf/1"}]},
        {"$ref": "#/$defs/none"},
        {"allOf": "no"},
    ],
)
def test_what_cannot_be_lifted_stays(schema: Any) -> None:
    assert schema == lifted(schema)


def test_a_circle_ends() -> None:
    assert {"a": {}} == lifted(
        {"allOf": [{"$ref": "#/$defs/x"}], "$defs": {"x": {"$ref": "#/$defs/x", "properties": {"a": {}}}}}
    )["properties"]
