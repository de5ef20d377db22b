"""The table of the formats of model files."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from engine.models.files.formats import FORMATS, format_of
from engine.spec import grammar


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("m.pkl", "pickle"),
        ("m.PKL", "pickle"),
        ("m.v2.joblib", "pickle"),
        ("m.pkl.gz", "pickle"),
        ("m.pickle.XZ", "pickle"),
        ("m.skops", "skops"),
        ("m.onnx", "onnx"),
    ],
)
def test_a_files_name_determines_its_format(name: str, expected: str) -> None:
    found = format_of(Path(name))
    assert found is not None
    assert found.name == expected


@pytest.mark.parametrize("name", ["m", ".pkl", "m.gz", "m.skops.gz", "m.onnx.gz", "m.pkl.zip", "m.gz.pkl.bak"])
def test_other_names_have_no_format(name: str) -> None:
    assert format_of(Path(name)) is None


def test_every_format_but_graphs_has_a_reader() -> None:
    readers = [import_module(form.reader) for form in FORMATS if form.reader is not None]
    assert all(callable(reader.read) for reader in readers)
    assert [form.name for form in FORMATS if form.is_graph] == ["onnx"]


def test_the_grammar_describes_every_ending() -> None:
    described = grammar("models")["$defs"]["model"]["properties"]["file"]["description"]
    assert [ending for form in FORMATS for ending in form.endings if f"`{ending}`" not in described] == []
