"""Fuzzing JSON Schemas and bodies: a schema is refused at its place, or judges any body as jsonschema does, in time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fuzzing import Apart, fuzz, fuzz_for, kept, mutated
from hypothesis import strategies as st
from json_schema_suite import groups

NAMES = st.sampled_from(["a", "b", "ab", "c", "items", "", "a/b", "~", "é"])
REFERENCES = st.sampled_from(["#", "#/$defs/a", "#/$defs/b", "#a", "#/properties/a", "#/items", "#/$defs/a/items", "x"])
NUMBERS = (
    st.integers(-3, 3)
    | st.sampled_from([0.5, 1.5, -0.0, 1.0, 1e-9, 0.1, 1e300, 2**53, 2**53 + 1, 2**63, 2**64, 10**30])
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | NAMES | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
COUNTS = st.integers(0, 3) | st.sampled_from([2.0, 1000, 2**64])
TYPES = st.sampled_from(["array", "boolean", "integer", "null", "number", "object", "string"])
PATTERNS = st.sampled_from(
    ["a", "^a", "ab*", "[ab]+b", ".", "^.*b", "a?b?c", "^$", "(a|b){2,40}", r"\d+", "[^a]", r"\p{L}"]
)


def keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A schema of a few keywords, those in it drawn from `inner`."""
    several, named = st.lists(inner, min_size=1, max_size=3), st.dictionaries(NAMES, inner, max_size=3)
    of: dict[str, st.SearchStrategy[Any]] = {
        "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
        "$ref": REFERENCES,
        "$dynamicRef": REFERENCES,
        "$anchor": st.just("a"),
        "$dynamicAnchor": st.just("a"),
        "$id": st.sampled_from(["x", "http://x/y", "urn:a:b", "#", ""]),
        "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True), max_size=2),
        "enum": st.lists(VALUES, max_size=4),
        "const": VALUES,
        "pattern": PATTERNS,
        "patternProperties": st.dictionaries(PATTERNS, inner, max_size=2),
        "required": st.lists(NAMES, max_size=3, unique=True),
        "uniqueItems": st.booleans(),
        "multipleOf": NUMBERS,
        "format": st.sampled_from(["date", "email", "ipv4"]),
        **dict.fromkeys(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"], NUMBERS),
        **dict.fromkeys(["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"], COUNTS),
        **dict.fromkeys(["minContains", "maxContains"], COUNTS),
        **dict.fromkeys(["allOf", "anyOf", "oneOf", "prefixItems"], several),
        **dict.fromkeys(["$defs", "properties", "dependentSchemas"], named),
        **dict.fromkeys(["not", "if", "then", "else", "items", "contains", "additionalProperties"], inner),
        **dict.fromkeys(["propertyNames", "unevaluatedItems", "unevaluatedProperties"], inner),
    }
    names = st.lists(st.sampled_from(sorted(of)), min_size=1, max_size=4, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: of[name] for name in chosen}))


SCHEMAS = st.recursive(st.booleans() | keywords(st.booleans()), keywords, max_leaves=8)
DEFINED = st.fixed_dictionaries({"a": SCHEMAS, "b": SCHEMAS})


def case(schema: Any, definitions: Any, bodies: list[Any]) -> bytes:
    whole = {**schema, "$defs": definitions} if isinstance(schema, dict) else schema
    return json.dumps({"schema": whole, "bodies": bodies}).encode()


def joined(schema: Any, other: Any, bodies: list[Any]) -> bytes:
    """A schema of the official suite, with a keyword or two more."""
    both = {**other, **schema} if isinstance(schema, dict) and isinstance(other, dict) else schema
    return json.dumps({"schema": both, "bodies": bodies}).encode()


SUITE = [group["schema"] for _, group in groups() if len(json.dumps(group["schema"])) < 1000]


PIECES = [
    b'"$ref":"#",',
    b'"a":',
    b"true",
    b"null",
    b"{}",
    b"[]",
    b",",
    b"1e300",
    b'"items":',
    b'"not":',
    b"-",
    b"9" * 25,
]
BODIES = st.lists(VALUES, min_size=1, max_size=4)
INPUTS = (
    st.builds(case, SCHEMAS, DEFINED, BODIES)
    | st.builds(joined, st.sampled_from(SUITE), SCHEMAS, BODIES)
    | st.builds(joined, st.sampled_from(SUITE), SCHEMAS, BODIES)
    | mutated([joined(schema, True, [{"a": [1]}]) for schema in SUITE] + [*kept("schemas").values()], PIECES)
)


@pytest.fixture
def schemas(tmp_path: Path) -> Iterator[Apart]:
    target = Apart("schemas", tmp_path, seconds=10.0, mib=400)
    yield target
    target.close()


def test_kept_and_some_generated_schemas(schemas: Apart) -> None:
    for name, data in kept("schemas").items():
        assert schemas(data), name
    fuzz(schemas, INPUTS, 60)
    assert schemas.outcomes["refused"]
    assert schemas.outcomes["valid"] + schemas.outcomes["invalid"] > 5


@pytest.mark.soak
def test_generated_schemas_for_a_long_time(schemas: Apart) -> None:
    fuzz_for(schemas, INPUTS)
    print(schemas.outcomes.most_common())  # noqa: T201
