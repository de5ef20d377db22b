"""Judging a value, and putting it in words within bounds of time and size."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from engine.endpoints.problems import violated
from engine.validation import Validator
from engine.validation.words import closest


def nested(levels: int, inmost: object) -> object:
    for _ in range(levels):
        inmost = [inmost]
    return inmost


def test_what_is_too_deep_to_explain_is_judged_all_the_same() -> None:
    lists = Validator({"type": "array", "items": {"$ref": "#"}})
    assert lists.is_valid(nested(300, []))
    (violation,) = lists.violations(nested(300, 1), at=("instances", 3))
    assert 50 < len(violation.path) < 120
    assert "this violates the schema, and is nested too deeply to say where" == violation.detail
    (violation,) = lists.violations(nested(40, 1), at=("instances", 3))
    assert (42, "1 is not an array") == (len(violation.path), violation.detail)


def test_what_was_meant_is_only_looked_for_where_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"the_measured_feature_number_{number:04}" for number in range(500)]
    asked: list[str] = []

    def watched(name: str, options: Iterable[str]) -> str:
        asked.append(name)
        return closest(name, options)

    monkeypatch.setattr("engine.validation.rules.closest", watched)
    validator = Validator({"type": "object", "required": names, "properties": dict.fromkeys(names, True)})
    problem = violated(validator.violations({name.replace("measured", "measurde"): 1 for name in names}))
    assert ("500 violations, the first 100 of them here", 100, 100) == (problem.detail, len(problem.errors), len(asked))
    assert '"the_measured_feature_number_0000" is required; did you mean it by' in problem.errors[0]["detail"]


def test_a_long_key_is_cut_in_a_pointer() -> None:
    validator = Validator({"additionalProperties": {"items": {"type": "number"}}})
    problem = violated(validator.violations({"é" * 500_000: ["x"] * 100}))
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
        ("1_000", {"type": "integer"}, "as 1000"),
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
