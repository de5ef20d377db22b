"""Formats are checked as the official suite says, in words that a client understands, unless a service annotates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from json_schema_suite import SUITE

from engine.schema import FORMATS, Validator

FILES = sorted((SUITE / "optional" / "format").glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_verdict_on_a_format_is_the_suites(file: Path) -> None:
    for group in json.loads(file.read_text()):
        validator = Validator(group["schema"], formats=True)
        for test in group["tests"]:
            found = (validator.is_valid(test["data"]), not list(validator.violations(test["data"])))
            assert (test["description"], test["valid"], test["valid"]) == (test["description"], *found)


def test_every_format_of_the_suite_is_known_and_in_words() -> None:
    """What the suite asserts about beside these is unknown formats and dialects of patterns."""
    assert {file.stem for file in FILES} - {"unknown", "ecmascript-regex"} == FORMATS.keys()


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_not_of_a_format_is_said_in_words(name: str) -> None:
    (violation,) = Validator({"format": name}, formats=True).violations("~~ {(")
    assert f'"~~ {{(" is not {FORMATS[name]}'.replace(", such as ", "; write it like ") == violation.detail


def test_without_formats_they_are_documentation() -> None:
    schema: dict[str, Any] = {"properties": {"day": {"format": "date"}, "size": {"type": "integer"}}}
    assert Validator(schema).is_valid({"day": "soon"})
    assert ["#/size"] == [found.pointer for found in Validator(schema).violations({"day": "soon", "size": "x"})]


def test_a_schema_that_is_judged_as_a_whole_says_it_too() -> None:
    """A `$dynamicRef` that may lead to several schemas makes a schema opaque."""
    schema = {
        "properties": {"day": {"format": "date"}, "other": {"$dynamicRef": "#x"}},
        "$defs": {"a": {"$dynamicAnchor": "x"}, "b": {"$dynamicAnchor": "x", "$id": "b"}},
    }
    (violation,) = Validator(schema, formats=True).violations({"day": "soon"})
    assert ('"soon" is not a date; write it like 2026-11-26', "#/day") == (violation.detail, violation.pointer)
