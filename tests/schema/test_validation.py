"""Judging a value, and putting it in words within bounds of time and size."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from engine.endpoints.problems import violations_problem
from engine.schema import Validator
from engine.schema.words import closest_option


def nested(levels: int, inmost: object) -> object:
    for _ in range(levels):
        inmost = [inmost]
    return inmost


def test_what_is_too_deep_to_explain_is_judged_all_the_same() -> None:
    lists = Validator({"type": "array", "items": {"$ref": "#"}})
    assert lists.is_valid(nested(300, []))
    (violation,) = lists.violations(nested(300, 1), at=("instances", 3))
    assert 50 < len(violation.path) < 120
    assert "this violates the schema, but is nested too deeply to say where" == violation.detail
    (violation,) = lists.violations(nested(40, 1), at=("instances", 3))
    assert (42, "1 must be an array") == (len(violation.path), violation.detail)


def test_what_was_meant_is_only_looked_for_where_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"the_measured_feature_number_{number:04}" for number in range(500)]
    asked: list[str] = []

    def watched(name: str, options: Iterable[str]) -> str:
        asked.append(name)
        return closest_option(name, options)

    monkeypatch.setattr("engine.schema.rules.closest_option", watched)
    validator = Validator({"type": "object", "required": names, "properties": dict.fromkeys(names, True)})
    problem = violations_problem(validator.violations({name.replace("measured", "measurde"): 1 for name in names}))
    assert ("500 violations, the first 100 of them here", 100, 100) == (problem.detail, len(problem.errors), len(asked))
    assert '"the_measured_feature_number_0000" is required; did you mean "the_measured' in problem.errors[0]["detail"]


def test_a_long_key_is_cut_in_a_pointer() -> None:
    validator = Validator({"additionalProperties": {"items": {"type": "number"}}})
    problem = violations_problem(validator.violations({"é" * 500_000: ["x"] * 100}))
    assert len(problem.response().body) < 300_000
    assert len(problem.errors) == 100


@pytest.mark.parametrize(
    ("text", "schema", "advice"),
    [
        ("1.5", {"anyOf": [{"type": "integer"}, {"type": "null"}]}, ""),
        ("3.0", {"type": "number"}, "without the quotes"),
        ("1e5", {"type": "integer"}, "without the quotes"),
        ("+1", {"type": "number"}, "as 1"),
        ("-.50", {"anyOf": [{"type": "number"}, {"type": "null"}]}, "as -0.5"),
        ("1_000", {"type": "integer"}, ""),
        ("1_8", {"type": "number"}, ""),
        ("0" * 400 + "7", {"type": "number"}, "as 7"),
        ("12345678901234567890.", {"type": "number"}, "as 1.2345678901234567e+19"),
        ("1e309", {"type": "number"}, ""),
        ("nan", {"type": "number"}, ""),
        ("true", {"type": "boolean"}, "without the quotes"),
        ("True", {"type": "boolean"}, ""),
        ("true", {"type": "number"}, ""),
        ("null", {"type": ["number", "null"]}, "without the quotes"),
    ],
)
def test_a_text_that_should_have_been_something_else_is_advised_on(text: str, schema: object, advice: str) -> None:
    (violation,) = Validator(schema).violations(text)
    assert (f" write it {advice}" if advice else "") == violation.detail.partition(";")[2]


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"a": {"$dynamicRef": "#/$defs/a"}, "b": {"$id": "#"}}, "const": None},
        {"$defs": {"a": {"$ref": "#/$defs/a"}, "b": {"$id": ""}}, "const": None},
    ],
)
def test_schemas_of_one_name_are_judged_without_going_into_them(schema: object) -> None:
    validator = Validator(schema)
    assert validator.is_valid(None)
    assert len(list(validator.violations([], budget=validator.budget(2)))) == 1


UNKNOWN = ("#/c", '"c" is not a known property')
INTEGER = {"type": "integer"}
SHAPES = [
    {"properties": {"shape": {"const": "circle"}, "radius": INTEGER}, "required": ["shape", "radius"]},
    {"properties": {"shape": {"const": "square"}, "side": INTEGER}, "required": ["shape", "side"]},
]
CLOSED = [{**shape, "additionalProperties": False} for shape in SHAPES]
LED = {"oneOf": [{"$ref": "#/$defs/0"}, {"$ref": "#/$defs/1"}], "$defs": dict(zip("01", SHAPES, strict=True))}
KINDS = [{"properties": {"kind": {"enum": ["a", "b"]}}}, {"properties": {"kind": {"const": "c"}, "of": INTEGER}}]
AS_KIND = {"if": {"properties": {"kind": {"const": "a"}}, "required": ["kind"]}, "then": {"properties": {"a": INTEGER}}}


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        (
            {"oneOf": SHAPES},
            {"shape": "circel", "radius": 1},
            [("#/shape", '"circel" is not one of "circle", "square" (did you mean "circle"?)')],
        ),
        (
            {"oneOf": SHAPES},
            {"shape": "circle", "radius": "1"},
            [("#/radius", '"1" must be an integer; write it without the quotes')],
        ),
        ({"anyOf": SHAPES}, {"shape": "square"}, [("#", '"side" is required')]),
        (
            {"oneOf": CLOSED},
            {"shape": "square", "side": 1, "radius": 1},
            [("#/radius", '"radius" is not a known property')],
        ),
        ({"oneOf": SHAPES}, {"radius": 1}, [("#", '"shape" is required')]),
        (LED, {"shape": "oval"}, [("#/shape", '"oval" is not one of "circle", "square"')]),
        ({"oneOf": KINDS}, {"kind": "d"}, [("#/kind", '"d" is not one of "a", "b", "c"')]),
        ({"oneOf": KINDS}, {"kind": "c", "of": "x"}, [("#/of", '"x" must be an integer')]),
        ({"oneOf": [{"const": 1}, {"const": 2, "title": "two"}]}, 3, [("#", "3 is not one of 1, 2")]),
        ({"items": {"oneOf": SHAPES}}, [{"shape": 1}], [("#/0/shape", '1 is not one of "circle", "square"')]),
        ({"oneOf": SHAPES}, 5, [("#", "5 matches more than one of the alternatives, not exactly one")]),
        # What tells nothing apart stays what it was.
        (
            {
                "oneOf": [
                    {"properties": {"a": {"const": 1}}, "required": ["b"]},
                    {"properties": {"a": {"const": 1}}, "required": ["c"]},
                ]
            },
            {"a": 1},
            [("#", '{"a": 1} matches none of the 2 alternatives: "b" is required; or "c" is required')],
        ),
        (
            {"oneOf": [{"properties": {"a": {"enum": ["x"], "minLength": 2}}}, {"properties": {"a": {"const": "y"}}}]},
            {"a": "x"},
            [
                (
                    "#",
                    (
                        '{"a": "x"} matches none of the 2 alternatives: '
                        '"x" is shorter than 2 characters; or "x" is not "y"'
                    ),
                )
            ],
        ),
    ],
)
def test_alternatives_told_apart_by_a_constant_get_one_true_sentence(
    schema: object, value: object, said: list[tuple[str, str]]
) -> None:
    validator = Validator(schema)
    assert said == [(found.pointer, found.detail) for found in validator.violations(value)]
    assert not validator.is_valid(value)


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        (
            {"anyOf": [{"properties": {"a": INTEGER}}, {"properties": {"b": INTEGER}}]},
            {"a": "x"},
            [("#/a", '"x" must be an integer')],
        ),
        (
            {"anyOf": [{"$ref": "#/$defs/a"}, True], "$defs": {"a": {"properties": {"a": INTEGER}}}},
            {"a": "x"},
            [("#/a", '"x" must be an integer')],
        ),
        (
            AS_KIND,
            {"kind": "b", "a": 1},
            [
                ("#/kind", '"b" is not "a"'),  # with which it would be judged
                ("#/a", '"a" is not allowed together with the other values here'),
            ],
        ),
        ({"properties": {"a": INTEGER}}, {"a": "x"}, [("#/a", '"x" must be an integer')]),
        ({"properties": {"a": INTEGER}}, {"a": "x", "c": 1}, [("#/a", '"x" must be an integer'), UNKNOWN]),
        (
            {"allOf": [{"properties": {"a": INTEGER}}], "patternProperties": {"^b": INTEGER}},
            {"a": "x", "b1": 1, "b2": "x", "c": 1},
            [("#/b2", '"x" must be an integer'), ("#/a", '"x" must be an integer'), UNKNOWN],
        ),
        (
            {"if": {"required": ["b"]}, "then": {"properties": {"b": INTEGER}}, "properties": {"a": INTEGER}},
            {"a": "x", "b": 1},
            [("#/a", '"x" must be an integer')],
        ),
        (
            {"allOf": [{"properties": {"a": INTEGER}}, {"additionalProperties": INTEGER}]},
            {"a": "x", "c": 1},
            [("#/a", '"x" must be an integer')],
        ),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {"required": ["a"], "properties": {"a": INTEGER}}}},
            {"c": 1},
            [("#", '"a" is required'), UNKNOWN],
        ),
        ({"properties": {"a": INTEGER}}, {"a": 1, "c": 1}, [("#/c", '"c" is not a known property')]),
        ({"allOf": [{"properties": {"a": INTEGER}}]}, {"a": 1, "c": 1}, [("#/c", '"c" is not a known property')]),
    ],
)
def test_a_property_that_is_declared_is_never_called_unknown(
    schema: dict[str, object], value: object, said: list[tuple[str, str]]
) -> None:
    validator = Validator({**schema, "unevaluatedProperties": False})
    assert said == [(found.pointer, found.detail) for found in validator.violations(value)]


def test_what_the_library_lists_is_without_consequences() -> None:
    """A schema that is judged as a whole: the library calls a property unevaluated because its own schema failed."""
    schema = {
        "allOf": [{"properties": {"a": {"type": "integer"}}}],
        "unevaluatedProperties": False,
        "$defs": {"a": {"$dynamicAnchor": "x"}, "b": {"$dynamicAnchor": "x", "$id": "b"}, "c": {"$dynamicRef": "#x"}},
    }
    found = list(Validator(schema).violations({"a": "x"}))
    assert [("#/a", '"x" must be an integer')] == [(one.pointer, one.detail) for one in found]
    (alone,) = Validator(schema).violations({"a": 1, "b": 2})
    assert "unevaluatedProperties" == alone.keyword
