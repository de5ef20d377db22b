"""What is said of a condition and a declared schema holds for every value, and simple cases are decided."""

from __future__ import annotations

import time
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.schema import SchemaError, Subschema, Validator
from engine.schema.relation import Verdict, judge_condition

EVERY = "every value that the schema allows"
EACH = "and each of them matches"
FORMATS = jsonschema.FormatChecker(["date", "email", "ipv4"])


def judge(declared: Any, condition: Any) -> Verdict:
    return judge_condition(Subschema(declared, declared), Subschema(condition, condition))


OPEN = {
    "type": "object",
    "required": ["plan"],
    "properties": {"plan": {"enum": ["free", "pro"]}, "age": {"minimum": 1}},
}
CLOSED = {**OPEN, "additionalProperties": False}
ONE_TO_FIVE = {"type": "integer", "minimum": 1, "maximum": 5}
SHORT = {"type": "string", "minLength": 2, "maxLength": 3}
FEW = {"type": "array", "minItems": 1, "maxItems": 2}
DEFINED = {"$ref": "#/$defs/plan", "$defs": {"plan": {"enum": ["free", "pro"]}, "size": ONE_TO_FIVE}}
NULLABLE = {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]}


@pytest.mark.parametrize(
    ("declared", "condition", "reason"),
    [
        # Types.
        ({"type": "string"}, {"type": "integer"}, "the schema allows only a string, never an integer"),
        ({"type": ["string", "null"]}, {"type": "object"}, "the schema allows only a string or null, never an object"),
        ({"type": "boolean"}, {"const": 1}, "the schema does not allow 1"),
        ({"type": "integer"}, {"const": True}, "the schema does not allow true"),
        ({"type": "integer"}, {"const": 1.5}, "the schema does not allow 1.5"),
        # Values.
        ({"enum": ["free", "pro"]}, {"const": "gold"}, 'the schema allows only "free" or "pro", never "gold"'),
        ({"const": 1}, {"enum": [2, True]}, "the schema allows only 1, never 2 or true"),
        ({"enum": ["a"]}, {"minLength": 2}, 'the schema allows only "a", which does not match'),
        ({"enum": ["a", 1]}, {"type": "null"}, 'the schema allows only "a" or 1, and none of them matches'),
        ({"enum": [*range(9)]}, {"const": 9}, "the schema allows only 0, 1, 2, 3, 4, 5 or 3 more, never 9"),
        ({"enum": ["a", 1], "type": "string"}, {"const": 1}, 'the schema allows only "a", never 1'),
        (SHORT, {"enum": ["gold", 1]}, 'the schema does not allow "gold" or 1'),
        ({"type": "string", "pattern": "^a"}, {"const": "b"}, 'the schema does not allow "b"'),
        (
            {"type": "boolean"},
            {"type": "boolean", "not": {"enum": [True, False]}},
            EXCLUDED := ("it excludes whatever the schema allows"),
        ),
        # Bounds.
        (ONE_TO_FIVE, {"minimum": 10}, "the schema allows at most 5"),
        (ONE_TO_FIVE, {"exclusiveMaximum": 1}, "the schema allows at least 1"),
        (ONE_TO_FIVE, {"exclusiveMinimum": 5}, "the schema allows at most 5"),
        ({"type": "number", "exclusiveMaximum": 5}, {"minimum": 5}, "the schema allows less than 5"),
        ({"type": "number", "exclusiveMinimum": 5}, {"maximum": 5}, "the schema allows more than 5"),
        ({"type": "integer", "exclusiveMinimum": 4}, {"exclusiveMaximum": 5}, "the schema allows at least 5"),
        (
            {"type": "integer"},
            {"exclusiveMinimum": 4, "exclusiveMaximum": 5},
            "no integer is more than 4 and less than 5",
        ),
        ({"type": "number"}, {"minimum": 5, "maximum": 4}, "no number is at least 5 and at most 4"),
        ({"type": "number", "minimum": 0.2, "maximum": 0.8}, {"type": "integer"}, "the schema allows no integer"),
        ({"type": "integer", "maximum": 2**53}, {"minimum": 2**53 + 1}, f"the schema allows at most {2**53}"),
        ({"type": "integer", "maximum": 10**400}, {"minimum": 10**400 + 1}, f"the schema allows at most {10**400}"),
        # Lengths.
        (SHORT, {"minLength": 4}, "the schema allows at most 3 characters"),
        (SHORT, {"maxLength": 1}, "the schema allows at least 2 characters"),
        (
            {"type": "string"},
            {"minLength": 4, "maxLength": 1},
            "no string has at least 4 characters and at most 1 character",
        ),
        (FEW, {"minItems": 3}, "the schema allows at most 2 items"),
        (FEW, {"maxItems": 0}, "the schema allows at least 1 item"),
        ({"type": "object", "maxProperties": 1}, {"minProperties": 2}, "the schema allows at most 1 property"),
        ({"type": "object", "minProperties": 2}, {"maxProperties": 1}, "the schema allows at least 2 properties"),
        # Properties.
        (CLOSED, {"minProperties": 3}, "the schema allows at most 2 properties"),
        (CLOSED, {"maxProperties": 0}, "the schema allows at least 1 property"),
        (CLOSED, {"required": ["x"]}, 'the schema does not allow the property "x"'),
        (
            {"type": "object", "properties": {"x": False}},
            {"required": ["x"]},
            'the schema does not allow the property "x"',
        ),
        (
            OPEN,
            {"properties": {"plan": False}},
            PLAN := 'the schema requires the property "plan", which the condition does not allow',
        ),
        (OPEN, {"additionalProperties": False}, PLAN),
        (
            OPEN,
            {"properties": {"plan": {"const": "x"}}},
            'in "plan", the schema allows only "free" or "pro", never "x"',
        ),
        (
            OPEN,
            {"properties": {"age": {"maximum": 0, "type": "number"}}, "required": ["age"]},
            'in "age", the schema allows at least 1',
        ),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            {"properties": {"a": {"type": "null"}}, "required": ["a"]},
            'in "a", the schema allows only a string, never null',
        ),
        (
            {"type": "object", "properties": {"a": {}, "b": {}}, "additionalProperties": False, "minProperties": 2},
            {"properties": {"a": {}, "c": {}}, "additionalProperties": False},
            "the properties that both require are more than both allow",
        ),
        # Combined.
        (DEFINED, {"const": "gold"}, 'the schema allows only "free" or "pro", never "gold"'),
        ({"allOf": [{"type": "integer"}, {"maximum": 5}]}, {"minimum": 6}, "the schema allows at most 5"),
        (
            NULLABLE,
            {"type": "integer"},
            "the schema allows only a string, never an integer; or only null, never an integer",
        ),
        (
            NULLABLE,
            {"minLength": 4, "type": "string"},
            "the schema allows at most 3 characters; or only null, never a string",
        ),
        ({"oneOf": [{"const": "a"}, {"const": "b"}]}, {"const": "c"}, 'the schema does not allow "c"'),
        (ONE_TO_FIVE, {"anyOf": [{"minimum": 6}, {"maximum": 0}]}, "the schema allows at most 5; or at least 1"),
        (ONE_TO_FIVE, {"not": {"minimum": 0}}, EXCLUDED),
        ({"type": "string"}, False, "no value matches it"),
        ({"type": "string"}, {"type": []}, "no value matches it"),
        (False, {"const": 1}, NOTHING := "the schema allows no value at all"),
        ({"enum": [1], "type": "string"}, {}, NOTHING),
        ({"type": "integer", "minimum": 2, "maximum": 1}, {"const": 1}, "the schema does not allow 1"),
        ({"type": "integer", "minimum": 2, "maximum": 1}, {}, NOTHING),
    ],
)
def test_never(declared: Any, condition: Any, reason: str) -> None:
    assert Verdict("never", reason) == judge(declared, condition)


@pytest.mark.parametrize(
    ("declared", "condition", "reason"),
    [
        ({"type": "integer"}, {"type": "number"}, f"{EVERY} is an integer"),
        ({"type": ["string", "null"]}, {"type": ["null", "string", "array"]}, f"{EVERY} is a string or null"),
        ({"enum": ["free", "pro"]}, {"enum": ["pro", "free", "x"]}, f'the schema allows only "free" or "pro", {EACH}'),
        ({"const": 1}, {"const": 1.0}, "the schema allows only 1, which matches"),
        ({"enum": ["free", "pro"]}, {"pattern": "^[a-z]+$"}, f'the schema allows only "free" or "pro", {EACH}'),
        ({"type": "boolean"}, {"enum": [True, False]}, f"the schema allows only false or true, {EACH}"),
        ({"type": "null"}, {"const": None}, "the schema allows only null, which matches"),
        (
            {"type": "integer", "minimum": 1, "maximum": 2},
            {"enum": [1, 2, 3]},
            f"the schema allows only 1 or 2, {EACH}",
        ),
        (ONE_TO_FIVE, {"minimum": 1}, f"{EVERY} is at least 1"),
        (ONE_TO_FIVE, {"exclusiveMinimum": 0, "maximum": 5.5}, f"{EVERY} is at least 1 and is at most 5"),
        ({"type": "number", "exclusiveMinimum": 1}, {"minimum": 1}, f"{EVERY} is more than 1"),
        ({"type": "integer", "exclusiveMinimum": 1}, {"minimum": 2}, f"{EVERY} is at least 2"),
        (SHORT, {"minLength": 1}, f"{EVERY} has at least 2 characters"),
        (SHORT, {"type": "string", "maxLength": 3}, f"{EVERY} is a string and has at most 3 characters"),
        (FEW, {"minItems": 1}, f"{EVERY} has at least 1 item"),
        ({"type": "string"}, {"minimum": 1}, WHATEVER := "it matches whatever the schema allows"),
        (OPEN, {"required": ["plan"]}, f"{EVERY} has at least 1 property"),
        (CLOSED, {"properties": {"plan": {"enum": ["free", "pro", "x"]}}}, WHATEVER),
        (
            CLOSED,
            {"properties": {"plan": {}, "age": {}, "b": {}}, "additionalProperties": False},
            f"{EVERY} has at most 2 properties",
        ),
        ({}, {}, WHATEVER),
        ({}, {"title": "x", "x-note": 1, "default": 1}, WHATEVER),
        (DEFINED, {"type": "string"}, f'the schema allows only "free" or "pro", {EACH}'),
        (ONE_TO_FIVE, {"anyOf": [{"type": "string"}, {"type": "integer"}]}, WHATEVER),
        (ONE_TO_FIVE, {"allOf": [{"type": "integer"}, {"maximum": 7}]}, f"{EVERY} is an integer and is at most 5"),
        (ONE_TO_FIVE, {"not": {"type": "string"}}, WHATEVER),
        (NULLABLE, {"maxLength": 4}, f"{EVERY} has at most 3 characters; or it matches whatever the schema allows"),
    ],
)
def test_always(declared: Any, condition: Any, reason: str) -> None:
    assert Verdict("always", reason) == judge(declared, condition)


@pytest.mark.parametrize(
    ("declared", "condition"),
    [
        ({}, {"type": "string"}),
        ({"type": "number"}, {"type": "integer"}),
        ({"enum": ["a", "b"]}, {"const": "a"}),
        ({"type": "string"}, {"enum": ["a"]}),
        (ONE_TO_FIVE, {"minimum": 2}),
        ({"type": "number", "minimum": 1}, {"exclusiveMinimum": 1}),
        ({"type": "string"}, {"pattern": ""}),  # which holds, and is not decided
        ({"type": "string", "format": "email"}, {"format": "email"}),  # formats may not be checked
        ({"enum": ["x"]}, {"format": "email"}),
        ({"enum": ["x"]}, {"not": {"format": "email"}}),
        (OPEN, {"required": ["age"]}),
        (OPEN, {"properties": {"age": False}}),
        (OPEN, {"properties": {"age": {"maximum": 9}}}),
        (OPEN, {"additionalProperties": {"type": "string"}}),
        ({"type": "object", "patternProperties": {"^a": {}}, "additionalProperties": False}, {"required": ["ab"]}),
        ({"type": "string"}, {"oneOf": [{"type": "integer"}, {"type": "string"}]}),
        (ONE_TO_FIVE, {"$ref": "#/$defs/x"}),
        ({"type": "array"}, {"items": {"type": "string"}}),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"const": 1}, "b": {"$id": "http://x/y"}}}, {"const": 2}),
    ],
)
def test_nothing_is_claimed_of_the_rest(declared: Any, condition: Any) -> None:
    assert Verdict("sometimes") == judge(declared, condition)


def nested(levels: int, inmost: Any) -> Any:
    for _ in range(levels):
        inmost = {"type": "object", "required": ["a"], "properties": {"a": inmost}}
    return inmost


def test_properties_are_compared_to_a_limited_depth() -> None:
    assert "never" == judge(nested(8, {"const": 1}), nested(8, {"const": 2})).kind
    assert "always" == judge(nested(8, {"const": 1}), nested(8, {"type": "integer"})).kind
    assert "sometimes" == judge(nested(9, {"const": 1}), nested(9, {"const": 2})).kind
    assert "sometimes" == judge(nested(200, {"const": 1}), nested(200, {"const": 2})).kind


MANY = [f"word {number}" for number in range(10_000)]
FRACTIONS = [number + 0.5 for number in range(10_000)]
TREE = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(25)}
WIDE = [{"anyOf": [{"minimum": n}, {"maximum": -n}]} for n in range(200)]


@pytest.mark.alone
@pytest.mark.parametrize(
    ("declared", "condition", "kind"),
    [
        ({"enum": MANY}, {"enum": [*MANY[1:], "x"]}, "sometimes"),
        ({"enum": MANY}, {"enum": [word.upper() for word in MANY]}, "never"),
        ({"enum": FRACTIONS}, {"enum": FRACTIONS[::-1]}, "always"),
        ({"enum": FRACTIONS, "minimum": 0}, {"enum": [*range(10_000)], "type": "number"}, "never"),
        ({"enum": MANY}, {"minLength": 3}, "always"),
        ({"enum": FRACTIONS}, {"anyOf": [{"enum": FRACTIONS}]}, "sometimes"),  # too costly
        ({"$ref": "#/$defs/d0", "$defs": TREE}, {"type": "string"}, "sometimes"),
        ({"type": "integer", "allOf": WIDE}, {"type": "integer", "allOf": WIDE}, "sometimes"),
        ({"oneOf": [{"const": word} for word in MANY]}, {"const": "x"}, "never"),
        ({"oneOf": [{"const": word} for word in MANY[:1000]]}, {"minLength": 3}, "always"),
        (
            {
                "type": "object",
                "properties": {word: {"type": "string"} for word in MANY},
                "required": MANY,
                "additionalProperties": False,
            },
            {"properties": {word: {"type": "integer"} for word in MANY}, "required": MANY[-1:]},
            "never",
        ),
    ],
    ids=map(str, range(11)),
)
def test_large_schemas_take_little_time(declared: Any, condition: Any, kind: str) -> None:
    begin = time.process_time()
    verdict = judge(declared, condition)
    assert time.process_time() - begin < 0.7
    assert kind == verdict.kind


NAMES = st.sampled_from(["a", "b", "c"])
NUMBERS = st.integers(-3, 4) | st.sampled_from(
    [0.5, 1.5, -0.0, 1.0, 2.5, 2**53, 2**53 + 1, float(2**53), 10**30, 1e300]
)
COUNTS = st.integers(0, 3) | st.sampled_from([1.0, 2.0])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.sampled_from(["", "a", "ab", "abc", "é", "2024-01-31", "a@b.c"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
TYPES = st.sampled_from(["array", "boolean", "integer", "null", "number", "object", "string"])


def decidable(inner: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    several = st.lists(inner, min_size=1, max_size=3)
    return {
        "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
        "enum": st.lists(VALUES, min_size=1, max_size=4),
        "const": VALUES,
        **dict.fromkeys(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"], NUMBERS),
        **dict.fromkeys(["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"], COUNTS),
        "required": st.lists(NAMES, max_size=3, unique=True),
        "properties": st.dictionaries(NAMES, inner, max_size=3),
        "additionalProperties": st.just(False) | inner,
        "allOf": several,
        "anyOf": several,
    }


def others(inner: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    return {
        "oneOf": st.lists(inner, min_size=1, max_size=3),
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "items": inner,
        "prefixItems": st.lists(inner, min_size=1, max_size=2),
        "contains": inner,
        "patternProperties": st.dictionaries(st.sampled_from(["a", "^b"]), inner, max_size=2),
        "propertyNames": inner,
        "unevaluatedProperties": inner,
        "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True), max_size=1),
        "multipleOf": st.sampled_from([1, 2, 0.5]),
        "pattern": st.sampled_from(["a", "^a", "^$"]),
        "format": st.sampled_from(["date", "email"]),
        "uniqueItems": st.booleans(),
        "$ref": st.sampled_from(["#", "#/$defs/a", "#/$defs/b", "#/properties/a", "#/allOf/0", "#/$defs/none"]),
        "title": st.just("a title"),
        "$id": st.just("http://example.org/x"),
    }


def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    few = st.fixed_dictionaries({}, optional=decidable(inner))
    some = st.lists(st.sampled_from(sorted(decidable(inner).items())), min_size=1, max_size=3)
    more = st.lists(st.sampled_from(sorted(others(inner).items())), max_size=2)
    picked = st.tuples(some, st.just([]) | more).map(lambda pair: dict(pair[0] + pair[1]))
    return picked.flatmap(st.fixed_dictionaries) | few


SCHEMAS = st.recursive(st.booleans() | schemas(st.booleans()), schemas, max_leaves=4)
DOCUMENTS = SCHEMAS | st.builds(
    lambda schema, a, b: {**schema, "$defs": {"a": a, "b": b}},
    SCHEMAS.filter(lambda schema: isinstance(schema, dict)),
    SCHEMAS,
    SCHEMAS,
)


def offered(schema: Any) -> list[Any]:
    """List values near a schema's own: its choices and bounds, and objects of its properties."""
    found: list[Any] = []
    waiting = [schema]
    while waiting:
        held = waiting.pop()
        if isinstance(held, dict):
            waiting += held.values()
            for number in (held.get(key) for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")):
                found += (
                    []
                    if isinstance(number, bool | type(None)) or not isinstance(number, int | float)
                    else [number - 1, number, number + 0.5, number + 1]
                )
            if isinstance(required := held.get("required"), list):
                found.append(dict.fromkeys(map(str, required), "a"))
        elif isinstance(held, list):
            waiting += held
        found.append(held)
    return found


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(DOCUMENTS, DOCUMENTS, st.lists(VALUES, max_size=12))
def test_no_value_contradicts_a_claim(declared: Any, condition: Any, values: list[Any]) -> None:
    """Two independent validators agree with what is claimed, whether or not they check formats."""
    try:
        ours = [
            (Validator(declared, formats=formats), Validator(condition, formats=formats)) for formats in (False, True)
        ]
    except SchemaError:
        return  # which nobody can declare
    verdict = judge(declared, condition)
    assert bool(verdict.reason) == (verdict.kind != "sometimes")
    if verdict.kind == "sometimes":
        return
    for value in [None, True, False, 0, 1, 2.5, "", "a", [], {}, *values, *offered(declared), *offered(condition)]:
        for allows, holds in ours:
            if allows.is_valid(value):
                assert (verdict.kind == "always") == holds.is_valid(value), (verdict, value)
        for formats in (None, FORMATS):
            theirs = [jsonschema.Draft202012Validator(one, format_checker=formats) for one in (declared, condition)]
            try:
                allowed, held = (one.is_valid(value) for one in theirs)
            except Exception:  # a reference to nowhere, or to itself  # noqa: BLE001
                continue
            if allowed:
                assert (verdict.kind == "always") == held, (verdict, value)
