"""What is written as YAML is read as the same value, by our reader and by one of YAML 1.1, in any place."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from engine.spec.authoring.yaml_text import WIDTH, write_field, write_scalar
from engine.spec.reading.compose import compose_document
from engine.spec.reading.source import Source

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda below: st.lists(below) | st.dictionaries(TEXTS, below), max_leaves=12)


@given(VALUES)
@example(
    ["no", "n", "1e3", "a: b", "- x", "~", "<<", "=", "12:30:00", "\u2028", "\x85", "\ufeff", "😀", "\x00", "a #b"]
)
@example({"a" * 60: 1e-05, "b" * 60: [1e16, 0.1, 2**70]})
def test_what_is_written_is_read_as_the_same(value: Any) -> None:
    text = "top:\n" + "\n".join(write_field("key", value, 2)) + "\n"
    assert {"top": {"key": value}} == yaml.safe_load(text)
    assert {"top": {"key": value}} == compose_document(Source("", text)).plain


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("build/model.pkl", "build/model.pkl"),
        ("../model.pkl", "../model.pkl"),
        ("two words", "two words"),
        ("größe", "größe"),
        ("no", '"no"'),
        ("1e3", '"1e3"'),
        ('a "b"', '"a \\"b\\""'),
        ("\u2028", '"\\u2028"'),
        ("\U000e0001", '"\\U000e0001"'),
        (1e-05, "1.0e-05"),
        (1.5, "1.5"),
        (None, "null"),
    ],
)
def test_a_scalar_is_plain_where_nobody_could_mistake_it(value: Any, written: str) -> None:
    assert written == write_scalar(value)


def test_long_lists_and_mappings_take_several_lines() -> None:
    names = [f"feature_{number}" for number in range(20)]
    lines = list(write_field("required", names, 4))
    assert ("    required:", 4) == (lines[0], len(lines))
    assert lines[1].startswith("      [feature_0, feature_1, ")
    assert lines[2].startswith("       feature_")
    assert max(map(len, lines)) <= WIDTH
    assert {"required": names} == yaml.safe_load("\n".join(lines))
